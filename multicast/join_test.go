package multicast

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
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

// A member that plays a name before its stream begins gets all of it, though
// there are no pictures and nobody tells of a key frame to begin with.
func TestSoundIsPlayedFromItsBeginning(t *testing.T) {
	n := newTestNet(t, 1)
	source, viewer := n.addNode(4*streamRate, CapMulticast), n.addNode(streamRate, CapMulticast)
	n.link(source, viewer)
	viewer.engine.Play(n.now, "radio", PlayOptions{})
	viewer.drain()
	key, err := source.engine.Publish(n.now, "radio", PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.published[key] = map[fragmenter.ID]*publishedMessage{}
	n.born[key] = map[fragmenter.ID]reliability.Time{}
	source.drain()
	n.runFor(time.Second)
	begin := n.now
	for i := range 100 {
		n.after(time.Duration(i)*20*time.Millisecond, func() {
			source.write(key, packager.MessageAudio, false, 180, begin)
		})
	}
	n.runFor(4 * time.Second)
	if got := viewer.engine.Stats("radio").Messages; got != 100 {
		t.Errorf("%d of 100 messages were handed over", got)
	}
}
