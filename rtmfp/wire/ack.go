package wire

import "github.com/ringcast/ringcast/rtmfp/vlu"

// Ack tells a flow's sender what has arrived (RFC 7016 sections 2.3.13 and
// 2.3.14).
//
//	vlu flowID
//	vlu bufferBlocksAvailable
//	vlu cumulativeAck
//	ranges: vlu holes-1, vlu received-1 each; or a bit map from
//	cumulativeAck+2 on, least significant bit first
type Ack struct {
	FlowID FlowID
	// Blocks is the room in the receiver's buffer, in units of 1,024 bytes.
	Blocks uint64
	// Cumulative is the number up to which all have arrived.
	Cumulative SequenceNumber
	// ranges or bits, in the form of the chunk they came in.
	rest   []byte
	bitmap bool
}

// Range is the sequence numbers From to To, both included.
type Range struct{ From, To SequenceNumber }

// AppendAckRanges appends an ack in the form of ranges, as many of them as fit
// into at most limit bytes, and returns how many those are. ranges are
// ascending, above a.Cumulative+1 and do not touch each other. Nothing is
// appended when not even the head fits: it returns -1.
func AppendAckRanges(b []byte, a Ack, ranges []Range, limit int) (out []byte, written int) {
	start := len(b)
	b, at := open(b, TypeAckRanges)
	b = vlu.Append(b, uint64(a.FlowID))
	b = vlu.Append(b, a.Blocks)
	b = vlu.Append(b, uint64(a.Cumulative))
	if len(b)-start > limit {
		return b[:start], -1
	}
	cursor := a.Cumulative
	for i, r := range ranges {
		before := len(b)
		b = vlu.Append(b, uint64(r.From-cursor)-2)
		b = vlu.Append(b, uint64(r.To-r.From))
		if len(b)-start > limit {
			return shut(b[:before], at), i
		}
		cursor = r.To
	}
	return shut(b, at), len(ranges)
}

// AppendAckBitmap appends an ack in the form of a bit map. ranges are as for
// AppendAckRanges. Deployed peers ignore or do not know this form: send ranges.
func AppendAckBitmap(b []byte, a Ack, ranges []Range) []byte {
	b, at := open(b, TypeAckBitmap)
	b = vlu.Append(b, uint64(a.FlowID))
	b = vlu.Append(b, a.Blocks)
	b = vlu.Append(b, uint64(a.Cumulative))
	bits := len(b)
	for _, r := range ranges {
		for sn := r.From; sn <= r.To; sn++ {
			bit := int(sn - a.Cumulative - 2)
			for len(b) <= bits+bit/8 {
				b = append(b, 0)
			}
			b[bits+bit/8] |= 1 << (bit % 8)
		}
	}
	return shut(b, at)
}

// ParseAck reads the payload of a chunk of either form. What follows the head
// is read by NextRange.
func ParseAck(kind byte, b []byte) (a Ack, err error) {
	var numbers [3]uint64
	for i := range numbers {
		v, n, err := vlu.Parse(b)
		if err != nil {
			return Ack{}, ErrMalformed
		}
		numbers[i], b = v, b[n:]
	}
	return Ack{
		FlowID: FlowID(numbers[0]), Blocks: numbers[1], Cumulative: SequenceNumber(numbers[2]),
		rest: b, bitmap: kind == TypeAckBitmap,
	}, nil
}

// RangeReader walks over the ranges of an ack. The zero value begins.
type RangeReader struct {
	at     int
	cursor SequenceNumber // the highest number told of, once begun
	begun  bool
}

// Next returns the next range above a.Cumulative. It reports false at the end,
// or at a range that is cut off or does not fit 64 bits: what came before
// stands.
func (r *RangeReader) Next(a *Ack) (Range, bool) {
	if !r.begun {
		r.begun, r.cursor = true, a.Cumulative
	}
	if a.bitmap {
		return r.nextBits(a)
	}
	var pair [2]uint64
	at := r.at
	for i := range pair {
		v, n, err := vlu.Parse(a.rest[at:])
		if err != nil {
			return Range{}, false
		}
		pair[i] = v
		at += n
	}
	from := r.cursor + SequenceNumber(pair[0]) + 2
	if pair[0] > 1<<63 || from < r.cursor {
		return Range{}, false
	}
	to := from + SequenceNumber(pair[1])
	if to < from {
		return Range{}, false
	}
	r.at, r.cursor = at, to
	return Range{from, to}, true
}

func (r *RangeReader) nextBits(a *Ack) (Range, bool) {
	bit := func(i int) bool { return a.rest[i/8]&(1<<(i%8)) != 0 }
	count := 8 * len(a.rest)
	i := r.at
	for i < count && !bit(i) {
		i++
	}
	if i == count || a.Cumulative > 1<<63 {
		return Range{}, false
	}
	j := i
	for j+1 < count && bit(j+1) {
		j++
	}
	r.at = j + 1
	base := a.Cumulative + 2
	return Range{base + SequenceNumber(i), base + SequenceNumber(j)}, true
}

// AppendBufferProbe appends a Buffer Probe chunk, which asks for an ack (RFC
// 7016 section 2.3.15).
func AppendBufferProbe(b []byte, id FlowID) []byte {
	b, at := open(b, TypeBufferProbe)
	return shut(vlu.Append(b, uint64(id)), at)
}

// ParseBufferProbe reads the chunk's payload.
func ParseBufferProbe(b []byte) (FlowID, error) {
	id, _, err := vlu.Parse(b)
	if err != nil {
		return 0, ErrMalformed
	}
	return FlowID(id), nil
}

// FlowException tells a flow's sender that it is not wanted (RFC 7016 section
// 2.3.16).
type FlowException struct {
	FlowID FlowID
	Code   uint64
}

// AppendFlowException appends the chunk.
func AppendFlowException(b []byte, c FlowException) []byte {
	b, at := open(b, TypeFlowException)
	return shut(vlu.Append(vlu.Append(b, uint64(c.FlowID)), c.Code), at)
}

// ParseFlowException reads the chunk's payload.
func ParseFlowException(b []byte) (FlowException, error) {
	id, n, err := vlu.Parse(b)
	if err != nil {
		return FlowException{}, ErrMalformed
	}
	code, _, err := vlu.Parse(b[n:])
	if err != nil {
		return FlowException{}, ErrMalformed
	}
	return FlowException{FlowID(id), code}, nil
}
