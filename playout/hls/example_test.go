package hls_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/ringcast/ringcast/ingest/flv"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/playout/hls"
	"github.com/ringcast/ringcast/reliability"
)

// An FLV file becomes an HLS stream.
func Example() {
	file, err := os.Open("../../packager/testdata/bframes.flv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()

	server := hls.New(hls.DefaultConfig())
	stream := publisher{packager: packager.NewPackager(packager.DefaultParams()), unpackager: packager.NewUnpackager(), sink: server.Sink("live/cam")}
	if err := flv.Copy(&stream, flv.NewReader(file)); err != nil {
		fmt.Println(err)
		return
	}
	stream.sink.WriteEvent(packager.Event{Kind: packager.EventEnd})

	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest("GET", "/live/cam/stream.m3u8", nil))
	playlist := w.Body.String()
	fmt.Println(w.Code, strings.Contains(playlist, "#EXT-X-MAP"), strings.Contains(playlist, "#EXT-X-ENDLIST"))
	// Output: 200 true true
}

// publisher is all that lies between a source and an output when there is no
// network between them.
type publisher struct {
	packager   *packager.Packager
	unpackager *packager.Unpackager
	sink       playout.Sink
	now        reliability.Time
}

func (p *publisher) SetTracks(tracks []packager.Track) error {
	p.packager.SetTracks(tracks)
	return nil
}

func (p *publisher) WriteSample(s packager.Sample) error {
	p.now = reliability.Start.Add(s.DTS)
	p.play(p.packager.Pack(nil, p.now, s))
	return nil
}

func (p *publisher) play(messages []packager.Message) {
	for _, m := range messages {
		if err := p.unpackager.Handle(m); err != nil {
			fmt.Println(err)
		}
		for e, ok := p.unpackager.Poll(); ok; e, ok = p.unpackager.Poll() {
			p.sink.WriteEvent(e)
		}
	}
}
