// Package rtsp takes streams in by RTSP: from publishers that announce and
// record, and from servers and cameras that it pulls.
package rtsp
