// Command edgebench measures a node's edge from outside: CPU time and memory
// of the server under RTSP and HLS viewers, start-up and latency, and what a
// publisher's restart costs. It prints each figure beside its target, and
// beside another server's in the same run if it is given one.
//
//	go run ./internal/load/edgebench -ringcast bin/ringcast -mediamtx /path/to/mediamtx
package main
