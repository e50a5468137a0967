package packager_test

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// Samples become messages, which any node can turn into samples again. Streams
// begin at one second, so that no time is ever negative.
func Example() {
	track, err := packager.NewTrack(packager.CodecAAC, []byte{0x12, 0x10})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := packager.NewPackager(packager.DefaultParams())
	p.SetTracks([]packager.Track{track})
	var messages []packager.Message
	now := reliability.Start
	for i := range 3 {
		at := time.Duration(i) * 1024 * time.Second / 44100
		messages = p.Pack(messages, now.Add(at), packager.Sample{Track: track.ID, DTS: at, PTS: at, Key: true, Payload: []byte{0x21, byte(i)}})
	}

	u := packager.NewUnpackager()
	u.Expect(false, true)
	for _, m := range messages {
		if err := u.Handle(m); err != nil {
			fmt.Println(err)
		}
		for e, ok := u.Poll(); ok; e, ok = u.Poll() {
			switch e.Kind {
			case packager.EventTracks:
				fmt.Println("tracks:", e.Tracks[0].CodecString(), e.Tracks[0].SampleRate)
			case packager.EventSample:
				fmt.Println("sample:", e.Sample.PTS, len(e.Sample.Payload))
			}
		}
	}
	// Output:
	// tracks: mp4a.40.2 44100
	// sample: 1s 2
	// sample: 1.023s 2
	// sample: 1.046s 2
}
