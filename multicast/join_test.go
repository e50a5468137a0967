package multicast

import (
	"testing"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
)

// A joiner is told to begin with the configurations before the key frame, also
// by a relay that has the key frame first, since those come in other slices, and
// also if sound that had waited for the first picture stands between.
func TestKeyFrameBeginsWithItsConfigurations(t *testing.T) {
	b := newRelayBench(t)
	first := b.id
	messages := []fragmenter.Fragment{
		{Type: packager.MessageVideo, Payload: []byte{0x17, 0, 0, 0, 0}}, // configuration
		{Type: packager.MessageAudio, Payload: []byte{0xaf, 0, 0x12, 0x10}},
		{Type: packager.MessageAudio, Payload: []byte{0xaf, 1, 0x21}},
		{Type: packager.MessageVideo, Payload: []byte{0x17, 1, 0, 0, 0}}, // key frame
		{Type: packager.MessageVideo, Payload: []byte{0x27, 1, 0, 0, 0}},
	}
	insert := func(i int) {
		f := messages[i]
		f.ID, f.Kind, f.Timestamp = first+fragmenter.ID(i), fragmenter.KindWhole, uint32(first*7)
		b.HandleMessage(b.now, b.from, b.key, overlay.FlowMedia, append(fragmenter.AppendFragment(nil, &f), f.Payload...))
		b.collect()
	}
	told := func() (m wire.Status) {
		b.byKey[b.key].fillStatus(&m)
		return m
	}
	for _, i := range []int{3, 4, 2, 1, 0} {
		insert(i)
		if m := told(); m.KeyFrame != first || m.KeyFragments != 4 {
			t.Fatalf("with message %d as the newest to come, %d fragments from %d are told of as the key frame, want 4 from %d", i, m.KeyFragments, m.KeyFrame, first)
		}
	}
}
