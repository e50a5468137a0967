package mp3_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/mp3"
)

func ExampleParseHeader() {
	h, err := mp3.ParseHeader([]byte{0xff, 0xfb, 0x90, 0x64})
	fmt.Println(h.SampleRate, h.Channels, h.Samples, h.Size, err)
	// Output: 44100 2 1152 417 <nil>
}
