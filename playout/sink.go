package playout

import "github.com/ringcast/ringcast/packager"

// Sink is one way of serving one stream: HLS, RTSP, HTTP-FLV. Events come in
// stream order from one goroutine, and WriteEvent does not block: a viewer who
// is slow loses data of its own and never slows the stream.
type Sink interface {
	WriteEvent(ev packager.Event)
}
