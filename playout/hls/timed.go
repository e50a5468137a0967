package hls

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/id3"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// Metadata says which data messages become timed metadata.
type Metadata string

// The choices.
const (
	// MetadataOff leaves all out.
	MetadataOff Metadata = "off"
	// MetadataEvents takes text and cue points.
	MetadataEvents Metadata = "events"
	// MetadataAll takes messages of any other name too.
	MetadataAll Metadata = "all"
)

const (
	// maxTimed bounds the events that wait for their part, maxTimedBytes
	// the length of one.
	maxTimed      = 256
	maxTimedBytes = 64 << 10
)

// timedEvent is an ID3 tag with its media time.
type timedEvent struct {
	at  time.Duration
	tag []byte
}

// id tells events apart; it is the same on every node.
func (e timedEvent) id() uint32 {
	h := fnv.New32a()
	_, _ = h.Write(e.tag)
	return h.Sum32() ^ uint32(e.at.Milliseconds())
}

// addTimed keeps a data message for the part in whose time it falls.
func (m *Muxer) addTimed(s packager.Sample) {
	if !m.begun() || len(m.timed) >= maxTimed || len(s.Payload) > maxTimedBytes {
		return
	}
	if tag := timedTag(s.Payload, m.config.Metadata); tag != nil {
		m.timed = append(m.timed, timedEvent{s.PTS, tag})
	}
}

// timedUpTo takes the events before a time. None comes before the part itself:
// one that is late counts as its first moment.
func (m *Muxer) timedUpTo(end, start time.Duration) (events []timedEvent) {
	rest := m.timed[:0]
	for _, e := range m.timed {
		if e.at >= end {
			rest = append(rest, e)
			continue
		}
		e.at = max(e.at, start)
		events = append(events, e)
	}
	clear(m.timed[len(rest):])
	m.timed = rest
	return events
}

// timedTag makes the ID3 tag of a data message, nil if it is not wanted.
func timedTag(body []byte, wanted Metadata) []byte {
	if wanted == MetadataOff {
		return nil
	}
	name, n, err := amf0.Parse(body)
	if err != nil || name.Kind != amf0.KindString {
		return nil
	}
	value, _, err := amf0.Parse(body[n:])
	if err != nil {
		value = amf0.Null()
	}
	switch name.String {
	case "onMetaData":
		return nil // it describes the stream, not a moment
	case "onTextData":
		return id3.Append(nil, id3.Text(name.String, value.Text("text")))
	case "onCuePoint":
		parameters, _ := value.Get("parameters")
		return id3.Append(nil, id3.Text(value.Text("name"), jsonOf(parameters)))
	}
	if wanted != MetadataAll {
		return nil
	}
	return id3.Append(nil, id3.Private("ringcast:"+name.String, body[n:]))
}

// jsonOf writes a value as JSON.
func jsonOf(v amf0.Value) string {
	text, err := json.Marshal(plain(v))
	if err != nil {
		return "null"
	}
	return string(text)
}

// plain turns a value into what package json writes. The parser bounds its
// depth.
func plain(v amf0.Value) any {
	switch {
	case v.Kind == amf0.KindNumber && !math.IsNaN(v.Number) && !math.IsInf(v.Number, 0):
		return v.Number
	case v.Kind == amf0.KindBool:
		return v.Bool
	case v.Kind == amf0.KindString:
		return v.String
	case v.IsObject():
		object := make(map[string]any, len(v.Properties))
		for _, p := range v.Properties {
			object[p.Name] = plain(p.Value)
		}
		return object
	case v.Kind == amf0.KindStrictArray:
		array := make([]any, 0, len(v.Elements))
		for _, e := range v.Elements {
			array = append(array, plain(e))
		}
		return array
	}
	return nil
}
