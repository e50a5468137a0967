package file_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ringcast/ringcast/ingest/file"
	"github.com/ringcast/ringcast/packager"
)

var errEnough = errors.New("enough seen")

// firstTracks takes what a source says of itself and no more.
type firstTracks struct{}

func (firstTracks) SetTracks(tracks []packager.Track) error {
	for _, t := range tracks {
		fmt.Println(t.CodecString(), t.Width, t.Height, t.SampleRate)
	}
	return errEnough
}
func (firstTracks) WriteSample(packager.Sample) error { return errEnough }

// The built-in clip, which plays in real time.
func ExampleClip() {
	err := file.Clip().Run(context.Background(), firstTracks{})
	fmt.Println(errors.Is(err, errEnough))
	// Output:
	// avc1.64001f 640 360 0
	// mp4a.40.2 0 0 48000
	// true
}
