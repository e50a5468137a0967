package aac_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/aac"
)

// The two bytes that an encoder sends say what follows.
func ExampleParseConfig() {
	c, err := aac.ParseConfig([]byte{0x12, 0x10})
	fmt.Println(c.SampleRate, c.Channels, c.Samples(), err)
	// Output: 44100 2 1024 <nil>
}
