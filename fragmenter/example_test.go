package fragmenter_test

import (
	"fmt"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/packager"
)

// store keeps fragments by their number, as a window does.
type store map[fragmenter.ID][]byte

func (s store) Fragment(id fragmenter.ID) ([]byte, bool) {
	b, ok := s[id]
	return b, ok
}

// A publisher cuts a key frame; a receiver gets its fragments in another order
// and puts them together.
func Example() {
	f := fragmenter.New(fragmenter.DefaultParams())
	frame := packager.NewMessage(packager.MessageVideo, 1040, append([]byte{0x17, 1, 0, 0, 0}, make([]byte, 2000)...))
	fragments, err := f.Split(nil, &frame)
	if err != nil {
		panic(err)
	}

	window := store{}
	r := fragmenter.NewReassembler(fragmenter.DefaultReassemblerParams(), window)
	r.Start(1)
	for _, i := range []int{2, 0, 1} {
		datagram := fragmenter.AppendFragment(nil, &fragments[i])
		got, err := fragmenter.ParseFragment(datagram)
		if err != nil {
			panic(err)
		}
		window[got.ID] = datagram
		r.Insert(&got)
		fmt.Printf("fragment %d (%v, %d more to come)\n", got.ID, got.Kind, got.Countdown)
	}
	for {
		message, ok := r.PollMessage(nil)
		if !ok {
			break
		}
		fmt.Printf("%v message of %d bytes at %d ms\n", message.Class, message.Len(), message.Timestamp)
	}
	// Output:
	// fragment 3 (end, 0 more to come)
	// fragment 1 (start, 2 more to come)
	// fragment 2 (next, 1 more to come)
	// key message of 2005 bytes at 1040 ms
}
