package hls

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/reliability"
)

// publish returns the messages of a clip that is published in a loop of the
// given rounds; keep says which kinds of samples it has.
func publish(t testing.TB, clip string, rounds int, keep func(packager.TrackID) bool) []packager.Message {
	t.Helper()
	b, err := os.ReadFile("../../packager/testdata/" + clip)
	if err != nil {
		t.Fatal(err)
	}
	params := packager.DefaultParams()
	params.Epoch, params.Wall = 0x1122334455667788, 1_700_000_000_000
	params.Segmentation.Part = 200 * time.Millisecond
	p := packager.NewPackager(params)
	var messages []packager.Message
	var end time.Duration
	for round := range rounds {
		u := packager.NewUnpackager()
		base := end
		for rest := b[flv.FileHeaderLen+flv.TrailerLen:]; len(rest) > 0; {
			h, err := flv.ParseTagHeader(rest)
			if err != nil {
				t.Fatal(err)
			}
			_ = u.Handle(packager.NewMessage(packager.MessageType(h.Type), h.Timestamp, rest[flv.TagHeaderLen:flv.TagHeaderLen+h.Size]))
			rest = rest[flv.TagHeaderLen+h.Size+flv.TrailerLen:]
			for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
				switch {
				case ev.Kind == packager.EventTracks && round == 0:
					var tracks []packager.Track
					for _, track := range ev.Tracks {
						if keep(track.ID) {
							tracks = append(tracks, track)
						}
					}
					p.SetTracks(tracks)
				case ev.Kind == packager.EventSample && keep(ev.Sample.Track):
					s := ev.Sample
					s.DTS, s.PTS = s.DTS+base, s.PTS+base
					end = max(end, s.DTS+40*time.Millisecond)
					messages = p.Pack(messages, reliability.Start.Add(s.DTS), s)
				}
			}
		}
	}
	return messages
}

func everything(packager.TrackID) bool { return true }

// node plays messages and returns its muxer, with every segment kept.
func node(config Config, messages []packager.Message) *Muxer {
	config.Window, config.Retain = time.Hour, time.Hour
	m := newMuxer(config, "own", nil)
	u := packager.NewUnpackager()
	for _, msg := range messages {
		_ = u.Handle(msg)
		for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
			m.WriteEvent(ev)
		}
	}
	return m
}

// Nodes that play one stream have the same files to the byte under the same
// names, wherever each of them joined: all but the segment that a node joined
// in.
func TestNodesAgreeToTheByte(t *testing.T) {
	tests := []struct {
		name, clip string
		keep       func(packager.TrackID) bool
	}{
		{"H.264 with B-frames and AAC", "bframes.flv", everything},
		{"H.265 and AAC", "hevc.flv", everything},
		{"AV1 and AAC", "av1.flv", everything},
		{"VP9 and AAC", "vp9.flv", everything},
		{"video alone", "bframes.flv", func(id packager.TrackID) bool { return id == packager.TrackVideo }},
		{"audio alone", "bframes.flv", func(id packager.TrackID) bool { return id == packager.TrackAudio }},
	}
	for _, tt := range tests {
		for _, separate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, separate audio %v", tt.name, separate), func(t *testing.T) {
				config := DefaultConfig()
				config.SeparateAudio = separate
				messages := publish(t, tt.clip, 8, tt.keep)
				first := node(config, messages)
				random := rand.New(rand.NewPCG(1, 2))
				for range 20 {
					at := random.IntN(len(messages) * 2 / 3)
					sameFiles(t, first, node(config, messages[at:]), at, 1)
				}
			})
		}
	}
}

// sameFiles compares the segments of a node with those of one that played all;
// the first few may differ.
func sameFiles(t *testing.T, all, late *Muxer, at, mayDiffer int) {
	t.Helper()
	byNumber := make(map[uint64]*segment)
	for _, seg := range all.segments {
		byNumber[seg.number] = seg
	}
	compared := 0
	for _, seg := range late.segments {
		if mayDiffer--; mayDiffer >= 0 {
			continue
		}
		other := byNumber[seg.number]
		if other == nil || other.names != seg.names || len(other.parts) != len(seg.parts) || other.wall != seg.wall || other.duration != seg.duration {
			t.Fatalf("joined at message %d: segment %s differs: %d parts, %v", at, seg.names[0], len(seg.parts), seg.duration)
		}
		for j := range seg.parts {
			for r := range renditionCount {
				if !bytes.Equal(seg.parts[j].in[r].body, other.parts[j].in[r].body) {
					t.Fatalf("joined at message %d: part %d of segment %d differs", at, j, seg.number)
				}
			}
		}
		if a, b := all.inits[other.init], late.inits[seg.init]; a.name != b.name || !bytes.Equal(a.bodies[0], b.bodies[0]) || !bytes.Equal(a.bodies[1], b.bodies[1]) {
			t.Fatalf("joined at message %d: initializations %s and %s differ", at, a.name, b.name)
		}
		compared++
	}
	if compared < 2 {
		t.Errorf("joined at message %d: only %d segments were compared", at, compared)
	}
}

// A node that lost messages has the others' files again after two segments.
func TestNodesAgreeAfterALoss(t *testing.T) {
	config := DefaultConfig()
	messages := publish(t, "bframes.flv", 8, everything)
	all := node(config, messages)
	random := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		at, lost := len(messages)/4+random.IntN(len(messages)/3), 1+random.IntN(60)
		holey := append(append([]packager.Message(nil), messages[:at]...), messages[at+lost:]...)
		lossy := node(config, holey)
		var from uint64
		for _, seg := range lossy.segments {
			if seg.start <= time.Duration(messages[at+lost].Timestamp)*time.Millisecond {
				from = seg.number
			}
		}
		after := &Muxer{inits: lossy.inits}
		for _, seg := range lossy.segments {
			if seg.number > from+2 {
				after.segments = append(after.segments, seg)
			}
		}
		sameFiles(t, all, after, at, 0)
	}
}
