package id3_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/id3"
)

// Timed metadata as players of HLS know it.
func ExampleAppend() {
	tag := id3.Append(nil, id3.Text("title", "Morning show"), id3.Private("org.example", []byte{1, 2, 3}))
	fmt.Printf("%s %s\n", tag[:3], tag[10:14])
	// Output: ID3 TXXX
}
