package station_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/playout/station"
)

// printer is an output that says what it gets.
type printer struct{ stream string }

func (p printer) WriteEvent(e packager.Event) {
	switch e.Kind {
	case packager.EventTracks:
		fmt.Println(p.stream, "has", e.Tracks[0].CodecString())
	case packager.EventSample:
		fmt.Println(p.stream, "has a sample of", len(e.Sample.Payload), "bytes")
	case packager.EventEnd:
		fmt.Println(p.stream, "has ended")
	}
}

// Messages of the network go in, every output gets the samples.
func Example() {
	s := station.New(station.DefaultConfig(), slog.New(slog.DiscardHandler))
	s.AddSink(func(stream string) playout.Sink { return printer{stream} })
	s.WriteMessage("live/radio", packager.NewMessage(packager.MessageAudio, 0, []byte{0xaf, 0, 0x12, 0x10}))
	s.WriteMessage("live/radio", packager.NewMessage(packager.MessageAudio, 23, []byte{0xaf, 1, 0x21, 0x10, 0x04}))
	s.EndStream("live/radio")
	if err := s.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// live/radio has mp4a.40.2
	// live/radio has a sample of 3 bytes
	// live/radio has ended
}
