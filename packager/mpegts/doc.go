// Package mpegts adds timed metadata (ID3 tags) to an MPEG-TS stream that a
// library writes without: a stream in its program map table, and the packets
// that carry the tags. The form is that of HLS, "Timed Metadata for HTTP Live
// Streaming".
package mpegts
