// Package load holds the clients that measure the edge of a node from
// outside: an RTMP publisher that knows when it sent each frame, RTSP readers
// and HLS viewers by the hundred that cost little themselves, and readings of
// another process's CPU time and memory. They speak to any server, so the
// same run can measure another one beside ours.
//
// The command edgebench puts them together.
package load
