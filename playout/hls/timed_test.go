package hls

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// emsg is an event box as a player reads it.
type emsg struct {
	at     time.Duration // media time
	id     uint32
	scheme string
	tag    []byte
}

// eventsOf returns the event boxes of a part, which must all come before its
// fragment.
func eventsOf(t *testing.T, body []byte) (all []emsg) {
	t.Helper()
	fragment := false
	for len(body) >= 8 {
		size := int(binary.BigEndian.Uint32(body))
		name, box := string(body[4:8]), body[8:size]
		body = body[size:]
		if name != "emsg" {
			fragment = fragment || name == "moof"
			continue
		}
		if fragment || box[0] != 1 || binary.BigEndian.Uint32(box[4:]) != 1000 {
			t.Fatalf("an event of version %d, behind its fragment: %v", box[0], fragment)
		}
		scheme, rest, _ := bytes.Cut(box[24:], []byte{0})
		all = append(all, emsg{
			at: time.Duration(binary.BigEndian.Uint64(box[8:]))*time.Millisecond - startOffset, id: binary.BigEndian.Uint32(box[20:]),
			scheme: string(scheme), tag: rest[1:],
		})
	}
	return all
}

func data(name string, value amf0.Value) []byte {
	return amf0.Append(nil, amf0.String(name), value)
}

// Text and cue points become ID3 tags in the part in whose time they fall, in
// the main rendition alone; what is not wanted does not.
func TestTimedMetadata(t *testing.T) {
	messages := []struct {
		at      time.Duration
		payload []byte
	}{
		{2500 * time.Millisecond, data("onTextData", amf0.Object(amf0.Property{Name: "text", Value: amf0.String("hello")}))},
		{3900 * time.Millisecond, data("onCuePoint", amf0.Object(
			amf0.Property{Name: "name", Value: amf0.String("ad")},
			amf0.Property{Name: "parameters", Value: amf0.Object(amf0.Property{Name: "n", Value: amf0.Number(7)}, amf0.Property{Name: "list", Value: amf0.StrictArray(amf0.Bool(true), amf0.Null())})}))},
		{5 * time.Second, data("onSomething", amf0.Number(1))},
		{5 * time.Second, data("onMetaData", amf0.Object())},
		{5 * time.Second, []byte{2, 0xff}},
	}
	tests := []struct {
		metadata Metadata
		want     []string
	}{
		{MetadataOff, nil},
		{MetadataEvents, []string{"onTextData\x00hello\x00", "ad\x00{\"list\":[true,null],\"n\":7}\x00"}},
		{MetadataAll, []string{"onTextData\x00hello\x00", "ad\x00{\"list\":[true,null],\"n\":7}\x00", "ringcast:onSomething\x00"}},
	}
	for _, tt := range tests {
		config := DefaultConfig()
		config.Metadata, config.SeparateAudio = tt.metadata, true
		config.Window, config.Retain = time.Hour, time.Hour
		m := newMuxer(config, "own", nil)
		next := 0
		for _, ev := range clipEvents(t, 2) {
			for ev.Kind == packager.EventSample && next < len(messages) && ev.Sample.DTS >= messages[next].at {
				at := messages[next].at
				m.WriteEvent(packager.Event{Kind: packager.EventSample, Sample: packager.Sample{Track: packager.TrackData, DTS: at, PTS: at, Key: true, Payload: messages[next].payload}})
				next++
			}
			m.WriteEvent(ev)
		}
		checkTimed(t, m, tt.want)
	}
}

func checkTimed(t *testing.T, m *Muxer, want []string) {
	t.Helper()
	found := 0
	ids := map[uint32]bool{}
	for _, seg := range m.segments {
		start := seg.start
		for _, p := range seg.parts {
			end := start + p.in[mainRendition].duration
			for _, e := range eventsOf(t, p.in[mainRendition].body) {
				if found >= len(want) || !bytes.Contains(e.tag, []byte(want[found])) || !bytes.HasPrefix(e.tag, []byte("ID3\x04")) {
					t.Fatalf("event %d is %q", found, e.tag)
				}
				if e.at < start-time.Millisecond || e.at > end+time.Millisecond || e.scheme != "https://aomedia.org/emsg/ID3" || ids[e.id] {
					t.Errorf("event %d of scheme %s at %v, in the part from %v to %v, ID %d", found, e.scheme, e.at, start, end, e.id)
				}
				ids[e.id] = true
				found++
			}
			if len(eventsOf(t, p.in[audioRendition].body)) > 0 {
				t.Error("an event is in the audio too")
			}
			start = end
		}
	}
	if found != len(want) {
		t.Errorf("%d events, want %d", found, len(want))
	}
}

// A stream that sends nothing but data messages does not fill the memory.
func TestTimedMetadataIsBounded(t *testing.T) {
	m := node(DefaultConfig(), publish(t, "bframes.flv", 1, everything))
	payload := data("onTextData", amf0.Object(amf0.Property{Name: "text", Value: amf0.String("x")}))
	for range 10 * maxTimed {
		m.addTimed(packager.Sample{Track: packager.TrackData, PTS: time.Hour, Payload: payload})
	}
	if len(m.timed) > maxTimed {
		t.Errorf("%d events are kept", len(m.timed))
	}
}

// In MPEG-TS the tags are a stream of their own, which FFmpeg finds at the right
// times.
func TestTimedMetadataInTransportStreams(t *testing.T) {
	config := DefaultConfig()
	config.Variant = MPEGTS
	config.Window, config.Retain = time.Hour, time.Hour
	s := New(config)
	sink := s.Sink("live/cam")
	next := time.Second
	for _, ev := range clipEvents(t, 2) {
		if ev.Kind == packager.EventSample && ev.Sample.DTS >= next+500*time.Millisecond {
			text := data("onTextData", amf0.Object(amf0.Property{Name: "text", Value: amf0.String("hello")}))
			sink.WriteEvent(packager.Event{Kind: packager.EventSample, Sample: packager.Sample{Track: packager.TrackData, DTS: next, PTS: next, Key: true, Payload: text}})
			next += time.Second
		}
		sink.WriteEvent(ev)
	}
	file := save(t, s, "out.ts")
	streams := run(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file)
	if !strings.Contains(streams, "timed_id3") {
		t.Fatalf("streams: %s", streams)
	}
	times := strings.Fields(run(t, "ffprobe", "-v", "error", "-select_streams", "d", "-show_entries", "packet=pts_time", "-of", "csv=p=0", file))
	if len(times) < 8 {
		t.Errorf("only %d tags", len(times))
	}
	for i, text := range times {
		at, err := strconv.ParseFloat(strings.Trim(text, ","), 64)
		// Those that came first had to wait until they were declared, and the
		// part that takes a late one counts as its moment.
		if want := startOffset.Seconds() + float64(i+1); err != nil || at < want-0.001 || at > want+0.6 {
			t.Errorf("tag %d is at %s s, want %.3f", i, text, want)
		}
	}
}
