package flv_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/flv"
)

// A tag is a header, a body, and the length of both.
func Example() {
	body := flv.AppendVideoHeader(nil, flv.Video{FrameType: flv.KeyFrame, Packet: flv.CodedFrames, Codec: flv.AVC, CompositionTime: 40})
	body = append(body, 0, 0, 0, 1, 0x65)

	file := flv.AppendFileHeader(nil, true, false)
	tag := len(file)
	file = flv.AppendTagHeader(file, flv.TagHeader{Type: 9, Size: len(body), Timestamp: 1000})
	file = append(file, body...)
	file = flv.AppendTrailer(file, len(body))

	h, err := flv.ParseTagHeader(file[tag:])
	fmt.Println(h.Type, h.Size, h.Timestamp, err)
	v, err := flv.ParseVideo(body)
	fmt.Println(v.Codec, v.FrameType == flv.KeyFrame, v.CompositionTime, len(v.Data), err)
	// Output:
	// 9 10 1000 <nil>
	// avc1 true 40 5 <nil>
}
