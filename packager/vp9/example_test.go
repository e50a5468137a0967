package vp9_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/vp9"
)

func ExampleParseConfig() {
	c, err := vp9.ParseConfig(vp9.Config{Profile: 0, Level: 31, BitDepth: 8, ChromaSubsampling: 1}.Append(nil))
	fmt.Println(c.Profile, c.Level, c.BitDepth, err)
	// Output: 0 31 8 <nil>
}
