package fmp4

// ID3Scheme says that an event carries an ID3 tag.
const ID3Scheme = "https://aomedia.org/emsg/ID3"

// Event is a message for the player at a moment of the media timeline.
type Event struct {
	// Time is in milliseconds of media time.
	Time uint64
	// ID tells events apart.
	ID     uint32
	Scheme string
	Data   []byte
}

// AppendEvent appends an emsg box of version 1 (ISO/IEC 23009-1 section
// 5.10.3.3), to be put before the moof box of the fragment that it falls in.
func AppendEvent(b []byte, e Event) []byte {
	w := writer{b: b}
	w.beginFull("emsg", 1, 0)
	w.u32(1000)
	w.u64(e.Time)
	w.words(0xffffffff, e.ID) // of unknown duration
	w.text(e.Scheme)
	w.u8(0, 0) // the scheme's end, and an empty value
	w.bytes(e.Data)
	w.end()
	return w.b
}
