package ingest_test

import (
	"fmt"
	"log/slog"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
)

// output is where a program takes what is published.
type output struct{}

func (output) WriteMessage(stream string, m packager.Message) {
	if m.Type == packager.MessageAudio {
		fmt.Println(stream, "has sound at", m.Timestamp)
	}
}

func (output) EndStream(stream string) { fmt.Println(stream, "has ended") }

// A publisher must know the key. The first message holds the decoder's
// configuration, the second one the sample.
func ExampleRegistry() {
	config := ingest.DefaultConfig()
	config.Key = "secret"
	config.Grace = 0
	r := ingest.NewRegistry(config, output{}, slog.New(slog.DiscardHandler))
	_, err := r.Publish(ingest.PublishRequest{Path: "live/radio", Key: "guess"})
	fmt.Println(err)

	p, err := r.Publish(ingest.PublishRequest{Path: "live/radio", Key: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := packager.NewTrack(packager.CodecAAC, []byte{0x12, 0x10})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.SetTracks([]packager.Track{track}); err != nil {
		fmt.Println(err)
	}
	if err := p.WriteSample(packager.Sample{Track: track.ID, Key: true, Payload: []byte{0x21, 0x10}}); err != nil {
		fmt.Println(err)
	}
	p.Close(nil)
	// Output:
	// the publish key is wrong or missing
	// live/radio has sound at 1000
	// live/radio has sound at 1000
	// live/radio has ended
}
