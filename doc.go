// Package ringcast is the root of a live-multicast toolkit: it takes a live
// stream in (RTMP, RTSP, FLV, files), spreads it among peers without a server
// farm, and re-serves it at every node as HLS, low-latency HLS, HTTP-FLV and
// RTSP.
//
// The program is cmd/ringcast. Programs that embed a part import the package
// that does it; ARCHITECTURE.md has the map. This package holds no code but
// the tests of the project's own rules: who may import whom, which calls a
// protocol core must not make, and how long a function may get.
package ringcast
