package fmp4_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/fmp4"
)

// An initialization segment, and a part with one audio unit in it.
func Example() {
	init := fmp4.AppendInit(nil, []fmp4.Track{{
		ID: 1, Timescale: 48000, Format: fmp4.MP4A, Config: []byte{0x11, 0x90}, Channels: 2, SampleRate: 48000,
	}})
	part := fmp4.AppendFragment(nil, 1, []fmp4.Run{{
		TrackID: 1, BaseTime: 96000, Samples: []fmp4.Sample{{Duration: 1024, Sync: true, Data: []byte{0x21, 0x10, 0x04}}},
	}})
	fmt.Printf("%s %s\n", init[4:8], part[4:8])
	// Output: ftyp moof
}
