package rtmp

import (
	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
)

// mediaReader turns media messages into tracks and samples.
type mediaReader struct {
	sink   ingest.Sink
	unpack *packager.Unpackager
}

func newMediaReader(sink ingest.Sink) *mediaReader {
	return &mediaReader{sink: sink, unpack: packager.NewUnpackager()}
}

// handle takes a message. Malformed ones are dropped and counted by the
// unpackager; an error means that the stream was taken away.
func (r *mediaReader) handle(m message) error {
	switch m.kind {
	case typeAggregate:
		return r.aggregate(m)
	case typeDataAMF3:
		if len(m.body) > 0 && m.body[0] == 0 {
			m.body = m.body[1:]
		}
		m.kind = typeDataAMF0
	}
	_ = r.unpack.Handle(packager.NewMessage(packager.MessageType(m.kind), m.timestamp, m.body))
	return r.deliver()
}

// aggregate splits an aggregate message, which holds FLV tags; the first tag's
// time corresponds to the message's.
func (r *mediaReader) aggregate(m message) error {
	var first uint32
	for n, b := 0, m.body; len(b) > 0; n++ {
		h, err := flv.ParseTagHeader(b)
		if err != nil || len(b) < flv.TagHeaderLen+h.Size {
			return nil // the rest cannot be told apart
		}
		if n == 0 {
			first = h.Timestamp
		}
		body := b[flv.TagHeaderLen : flv.TagHeaderLen+h.Size : flv.TagHeaderLen+h.Size]
		part := message{kind: h.Type, timestamp: m.timestamp + h.Timestamp - first, body: body}
		if err := r.handle(part); err != nil {
			return err
		}
		b = b[min(flv.TagHeaderLen+h.Size+flv.TrailerLen, len(b)):]
	}
	return nil
}

// flush hands over what was held back, at the end of the stream.
func (r *mediaReader) flush() error {
	r.unpack.Flush()
	return r.deliver()
}

func (r *mediaReader) deliver() error {
	for ev, ok := r.unpack.Poll(); ok; ev, ok = r.unpack.Poll() {
		var err error
		switch ev.Kind {
		case packager.EventTracks:
			err = r.sink.SetTracks(ev.Tracks)
		case packager.EventSample:
			err = r.sink.WriteSample(ev.Sample)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
