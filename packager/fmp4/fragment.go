package fmp4

import "encoding/binary"

// Sample is one sample of a fragment.
type Sample struct {
	// Duration and CompositionOffset (PTS - DTS) are in the track's
	// timescale.
	Duration          uint32
	CompositionOffset int32
	Sync              bool
	Data              []byte
}

// Run is what a fragment holds of one track.
type Run struct {
	TrackID uint32
	// BaseTime is the decode time of the first sample in the track's
	// timescale.
	BaseTime uint64
	Samples  []Sample
}

// Sample flags (ISO/IEC 14496-12 section 8.8.3.1).
const (
	flagsSync    = 0x02000000 // depends on no other
	flagsNonSync = 0x01010000 // depends on others, is no sync sample
)

// AppendFragment appends one moof box with a run for each track that has
// samples, and the mdat box with their data, track after track.
func AppendFragment(b []byte, sequence uint32, runs []Run) []byte {
	w := writer{b: b}
	moof := len(w.b)
	w.begin("moof")
	w.beginFull("mfhd", 0, 0)
	w.u32(sequence)
	w.end()
	var offsets [8]int // where the data offset of each run stands
	var sizes [8]int
	n := 0
	for _, r := range runs {
		if len(r.Samples) == 0 || n == len(offsets) {
			continue
		}
		offsets[n], sizes[n] = w.run(r)
		n++
	}
	w.end()
	at := len(w.b) - moof + 8
	for i := range n {
		binary.BigEndian.PutUint32(w.b[offsets[i]:], uint32(at))
		at += sizes[i]
	}
	w.begin("mdat")
	for _, r := range runs {
		for _, s := range r.Samples {
			w.b = append(w.b, s.Data...)
		}
	}
	w.end()
	return w.b
}

// run writes a traf box and returns where its data offset stands and the size
// of its data.
func (w *writer) run(r Run) (offset, size int) {
	w.begin("traf")
	w.beginFull("tfhd", 0, 0x020000) // offsets count from the moof box
	w.u32(r.TrackID)
	w.end()
	w.beginFull("tfdt", 1, 0)
	w.u64(r.BaseTime)
	w.end()
	w.beginFull("trun", 1, 0x1|0x100|0x200|0x400|0x800)
	w.u32(uint32(len(r.Samples)))
	offset = len(w.b)
	w.u32(0)
	for _, s := range r.Samples {
		flags := uint32(flagsNonSync)
		if s.Sync {
			flags = flagsSync
		}
		w.words(s.Duration, uint32(len(s.Data)), flags, uint32(s.CompositionOffset))
		size += len(s.Data)
	}
	w.end()
	w.end()
	return offset, size
}
