// Package rtsp serves streams by RTSP 1.0 over TCP, UDP and UDP-multicast, and
// is the listener for publishers, whom it hands to a [Recorder].
package rtsp
