// Package rtmp takes streams in by RTMP: a server for what ffmpeg, OBS,
// GStreamer and librtmp push, and a source that pulls. Every byte that comes
// from a stranger is read under named limits.
package rtmp
