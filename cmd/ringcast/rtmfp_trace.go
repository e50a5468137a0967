package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// rtmfpTracer writes one JSON line for each packet and state. It is called
// under the driver's mutex.
type rtmfpTracer struct {
	file *os.File
	out  *bufio.Writer
}

func newRTMFPTracer(name string) (*rtmfpTracer, error) {
	f, err := openTrace(name)
	if err != nil {
		return nil, err
	}
	return &rtmfpTracer{f, bufio.NewWriter(f)}, nil
}

func (t *rtmfpTracer) close() error {
	err := t.out.Flush()
	if t.file != os.Stderr {
		if closed := t.file.Close(); err == nil {
			err = closed
		}
	}
	return err
}

func (t *rtmfpTracer) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		return
	}
	// Losing trace lines on a full disk must not stop the node; close tells.
	_, _ = t.out.Write(append(b, '\n'))
}

type tracedPacket struct {
	Time    float64       `json:"t"` // seconds
	Dir     string        `json:"dir"`
	Far     string        `json:"far"`
	Session string        `json:"session"`
	Size    int           `json:"size"`
	Mode    int           `json:"mode"`
	TC      bool          `json:"tc,omitempty"`
	TCR     bool          `json:"tcr,omitempty"`
	TS      *uint16       `json:"ts,omitempty"`
	Echo    *uint16       `json:"echo,omitempty"`
	Chunks  []tracedChunk `json:"chunks"`
}

type tracedChunk struct {
	Type     string   `json:"type"`
	Len      int      `json:"len"`
	Flow     *uint64  `json:"flow,omitempty"`
	Sequence uint64   `json:"sn,omitempty"`
	Forward  uint64   `json:"fsn,omitempty"`
	Part     string   `json:"part,omitempty"`
	Abandon  bool     `json:"abandoned,omitempty"`
	Final    bool     `json:"final,omitempty"`
	Metadata string   `json:"metadata,omitempty"`
	Cum      uint64   `json:"cumulative,omitempty"`
	Blocks   uint64   `json:"blocks,omitempty"`
	Ranges   []uint64 `json:"ranges,omitempty"`
	Hex      string   `json:"hex,omitempty"`
}

// maxTracedBytes is how much of a chunk is shown.
const maxTracedBytes = 64

func seconds(now rtmfp.Instant) float64 { return time.Duration(now).Seconds() }

// TracePacket implements rtmfp.Tracer.
func (t *rtmfpTracer) TracePacket(now rtmfp.Instant, p rtmfp.TracedPacket) {
	h, n, err := wire.ParseHeader(p.Plain)
	if err != nil {
		return
	}
	line := tracedPacket{
		Time: seconds(now), Dir: "in", Far: p.Far.AddrPort.String(), Session: hex.EncodeToString([]byte{
			byte(p.Session >> 24), byte(p.Session >> 16), byte(p.Session >> 8), byte(p.Session),
		}),
		Size: p.Size, Mode: int(h.Mode), TC: h.TimeCritical, TCR: h.TimeCriticalReverse, Chunks: []tracedChunk{},
	}
	if p.Sent {
		line.Dir = "out"
	}
	if h.HasTimestamp {
		line.TS = &h.Timestamp
	}
	if h.HasEcho {
		line.Echo = &h.Echo
	}
	var last wire.UserData
	for rest := p.Plain[n:]; ; {
		c, n, ok := wire.ParseChunk(rest)
		if !ok {
			break
		}
		rest = rest[n:]
		line.Chunks = append(line.Chunks, traceChunk(c, &last))
	}
	t.line(line)
}

func traceChunk(c wire.Chunk, last *wire.UserData) tracedChunk {
	out := tracedChunk{Type: wire.TypeName(c.Type), Len: len(c.Payload)}
	shown := c.Payload
	switch c.Type {
	case wire.TypeUserData, wire.TypeNextUserData:
		u, err := wire.ParseUserData(c.Payload)
		if c.Type == wire.TypeNextUserData {
			u, err = wire.ParseNextUserData(c.Payload, last)
		}
		if err != nil {
			break
		}
		*last = u
		id := uint64(u.FlowID)
		out.Flow, out.Sequence, out.Forward = &id, uint64(u.SequenceNumber), uint64(u.ForwardSequenceNumber)
		out.Part = [...]string{"whole", "begin", "end", "middle"}[u.Fragmentation]
		out.Abandon, out.Final = u.Abandoned, u.Final
		if o, err := wire.ParseFlowOptions(u.Options); err == nil && o.Metadata != nil {
			out.Metadata = hex.EncodeToString(o.Metadata)
		}
		shown = u.Data
	case wire.TypeAckRanges, wire.TypeAckBitmap:
		a, err := wire.ParseAck(c.Type, c.Payload)
		if err != nil {
			break
		}
		id := uint64(a.FlowID)
		out.Flow, out.Cum, out.Blocks = &id, uint64(a.Cumulative), a.Blocks
		var reader wire.RangeReader
		for r, ok := reader.Next(&a); ok; r, ok = reader.Next(&a) {
			out.Ranges = append(out.Ranges, uint64(r.From), uint64(r.To))
		}
		return out
	}
	out.Hex = hex.EncodeToString(shown[:min(len(shown), maxTracedBytes)])
	return out
}

// TraceState implements rtmfp.Tracer.
func (t *rtmfpTracer) TraceState(now rtmfp.Instant, s *rtmfp.Session, from, to rtmfp.SessionState) {
	id := s.Far().Fingerprint
	t.line(map[string]any{"t": seconds(now), "peer": hex.EncodeToString(id[:]), "from": from.String(), "to": to.String()})
}
