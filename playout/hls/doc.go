// Package hls serves streams as HLS (RFC 8216) and low-latency HLS (its second
// edition): fragmented MP4 with partial segments by default, MPEG-TS for old
// players.
//
// A [Muxer] is the output of one stream. It cuts segments where
// packager.Cutter says, so every node that plays a stream cuts the same ones
// with the same numbers; parts and playlists follow from the samples alone. It
// builds each part once, publishes playlists as immutable snapshots and wakes
// all blocked readers at once by closing a channel. A [Server] finds the muxer
// for a path and answers requests; it never makes the stream wait.
package hls
