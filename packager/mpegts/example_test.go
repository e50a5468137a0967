package mpegts_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/id3"
	"github.com/ringcast/ringcast/packager/mpegts"
)

// A tag with the time of the picture that it belongs to, as transport packets.
func ExampleAppendMetadata() {
	var counter byte
	packets := mpegts.AppendMetadata(nil, &counter, 90000, id3.Append(nil, id3.Text("title", "News")))
	fmt.Println(len(packets)%188, packets[0] == 0x47, counter)
	// Output: 0 true 1
}
