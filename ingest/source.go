package ingest

import (
	"context"

	"github.com/ringcast/ringcast/packager"
)

// Sink takes the tracks and samples of one source. An error means that the
// stream was taken away (closed, or taken over by another publisher) and the
// source must stop. A Sink is used from one goroutine.
type Sink interface {
	// SetTracks declares the whole set of tracks. It comes before the first
	// sample, and again when the set or a configuration changes.
	SetTracks(tracks []packager.Track) error
	// WriteSample hands over one access unit; its payload must not be
	// written afterwards. Times are on the source's own timeline: steps of
	// any size are allowed, 32-bit wraps must already be undone.
	WriteSample(s packager.Sample) error
}

// Source is a stream that this node fetches.
type Source interface {
	// Run connects, delivers until the source ends or ctx is done, and
	// releases everything before it returns. It returns nil if the source
	// came to its end, and an error if it broke, which is worth another try.
	Run(ctx context.Context, sink Sink) error
}

// Output is where published streams go: the network engine, or the loop-back
// to this node's own players. Its methods do not block.
type Output interface {
	// WriteMessage hands over the next message of a stream. A stream begins
	// with its first message.
	WriteMessage(stream string, m packager.Message)
	// EndStream says that nothing follows under this name until a new
	// stream begins.
	EndStream(stream string)
}
