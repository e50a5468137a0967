package fmp4

import "encoding/binary"

// writer appends boxes to a buffer. Box sizes are filled in when a box ends.
type writer struct {
	b    []byte
	open []int
}

func (w *writer) begin(name string) {
	w.open = append(w.open, len(w.b))
	w.u32(0)
	w.b = append(w.b, name...)
}

// beginFull begins a box with version and flags.
func (w *writer) beginFull(name string, version byte, flags uint32) {
	w.begin(name)
	w.u32(uint32(version)<<24 | flags)
}

func (w *writer) end() {
	start := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	binary.BigEndian.PutUint32(w.b[start:], uint32(len(w.b)-start))
}

func (w *writer) u8(v ...byte)   { w.b = append(w.b, v...) }
func (w *writer) u16(v uint16)   { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32)   { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64)   { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *writer) text(s string)  { w.b = append(w.b, s...) }
func (w *writer) bytes(p []byte) { w.b = append(w.b, p...) }
func (w *writer) zeros(n int)    { w.b = append(w.b, make([]byte, n)...) }
func (w *writer) words(v ...uint32) {
	for _, x := range v {
		w.u32(x)
	}
}
