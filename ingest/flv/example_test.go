package flv_test

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ringcast/ringcast/ingest/flv"
	"github.com/ringcast/ringcast/packager"
)

// The messages of a file.
func ExampleReader() {
	file, err := os.Open("../../packager/testdata/bframes.flv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	count := map[packager.MessageType]int{}
	for r := flv.NewReader(file); ; {
		m, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		count[m.Type]++
	}
	fmt.Println(count[packager.MessageVideo] > 0, count[packager.MessageAudio] > 0, count[packager.MessageData])
	// Output: true true 1
}
