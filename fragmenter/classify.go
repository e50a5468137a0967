package fragmenter

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/reliability"
)

// classifyLen is how much of a body counts: no fragment that begins a longer
// message holds less.
const classifyLen = MinFragmentSize

// Classify says what a message is worth from its type and its body, of which
// the part in the fragment that begins it is enough. It gives the same at the
// publisher and at every relay, and for messages of our own packager the class
// that this gave them. What it does not know is data.
func Classify(kind packager.MessageType, body []byte) reliability.Class {
	body = body[:min(len(body), classifyLen)]
	switch kind {
	case packager.MessageAudio:
		return classifyAudio(body)
	case packager.MessageVideo:
		return classifyVideo(body)
	case packager.MessageData:
		return classifyData(body)
	case messageAMF3Data:
		if len(body) > 0 && body[0] == 0 {
			return classifyData(body[1:])
		}
	}
	return reliability.ClassData
}

// Class returns the class of the message that the fragment begins. For one that
// begins none it means nothing.
func (f *Fragment) Class() reliability.Class {
	return classOf(f.Type, f.head[:f.headLen], f.Payload)
}

// ClassOf returns the class that every relay will find a message to be of.
func ClassOf(m *packager.Message) reliability.Class {
	return classOf(m.Type, m.Header[:m.HeaderLen], m.Payload)
}

func classOf(kind packager.MessageType, head, payload []byte) reliability.Class {
	if len(head) == 0 {
		return Classify(kind, payload)
	}
	var body [classifyLen]byte
	n := copy(body[:], head)
	n += copy(body[n:], payload)
	return Classify(kind, body[:n])
}

func classifyAudio(body []byte) reliability.Class {
	a, err := flv.ParseAudio(body)
	if err == nil && (a.Packet == flv.SequenceStart || a.Packet == flv.SequenceEnd) {
		return reliability.ClassConfig
	}
	return reliability.ClassAudio
}

// classifyVideo looks at the packet type and the frame type. An error, such as
// of a multitrack tag whose tracks go beyond the fragment, leaves the frame
// type.
func classifyVideo(body []byte) reliability.Class {
	v, err := flv.ParseVideo(body)
	if err == nil {
		switch v.Packet {
		case flv.SequenceStart, flv.SequenceEnd, flv.Metadata:
			return reliability.ClassConfig
		case flv.Command:
			return reliability.ClassData
		}
	}
	switch v.FrameType {
	case flv.KeyFrame, flv.GeneratedKey:
		return reliability.ClassKey
	case flv.DisposableFrame:
		return reliability.ClassDisposable
	}
	if err == nil && v.Codec == flv.AVC && unreferenced(v.Data) {
		return reliability.ClassDisposable
	}
	return reliability.ClassReference
}

// unreferenced reports whether the first slice among the NAL units of H.264,
// each behind four bytes of length, says that no other picture refers to this
// one. Many encoders say it there and not in the frame type.
func unreferenced(data []byte) bool {
	for len(data) > 4 {
		length := int64(binary.BigEndian.Uint32(data))
		head := data[4]
		if kind := head & 0x1f; kind >= 1 && kind <= 5 {
			return head&0x60 == 0
		}
		if length == 0 || length > int64(len(data)-4) {
			return false
		}
		data = data[4+length:]
	}
	return false
}

// classifyData tells what describes the stream from what happens in it. The
// body begins with the name: AMF0 marker 2, two bytes of length, the text.
func classifyData(body []byte) reliability.Class {
	if len(body) < 3 || body[0] != 2 {
		return reliability.ClassData
	}
	n := int(binary.BigEndian.Uint16(body[1:]))
	if n > len(body)-3 {
		return reliability.ClassData
	}
	switch string(body[3 : 3+n]) {
	case packager.CatalogName, "@setDataFrame", "onMetaData":
		return reliability.ClassConfig
	}
	return reliability.ClassData
}
