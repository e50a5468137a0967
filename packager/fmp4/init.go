package fmp4

// Format is the kind of a track's samples.
type Format uint8

// The formats, by their sample entries.
const (
	AVC1 Format = iota + 1
	HVC1
	AV01
	VP09
	MP4A // AAC
	MP3
	Opus
)

// IsVideo reports whether the format is a video format.
func (f Format) IsVideo() bool { return f <= VP09 }

// Track describes a track of an initialization segment.
type Track struct {
	// ID is the track's number, from 1. Timescale is in units a second.
	ID        uint32
	Timescale uint32
	Format    Format
	// Config is the decoder configuration: the content of avcC, hvcC, av1C,
	// vpcC (with version and flags) or dOps, or the AudioSpecificConfig.
	Config []byte
	// Width and Height are in pixels; video only.
	Width, Height int
	// Channels and SampleRate describe audio; the rate is in hertz.
	Channels, SampleRate int
}

var identity = [...]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000}

// AppendInit appends the ftyp and moov boxes for a set of tracks.
func AppendInit(b []byte, tracks []Track) []byte {
	w := writer{b: b}
	w.begin("ftyp")
	w.text("iso6")
	w.u32(1)
	w.text("iso6mp41cmfc")
	w.end()
	w.begin("moov")
	w.beginFull("mvhd", 0, 0)
	w.words(0, 0, 1000, 0, 0x10000)
	w.u16(0x0100)
	w.zeros(10)
	w.words(identity[:]...)
	w.zeros(24)
	w.u32(0xffffffff) // next track ID: unknown
	w.end()
	for _, t := range tracks {
		w.track(t)
	}
	w.begin("mvex")
	for _, t := range tracks {
		w.beginFull("trex", 0, 0)
		w.words(t.ID, 1, 0, 0, 0)
		w.end()
	}
	w.end()
	w.end()
	return w.b
}

func (w *writer) track(t Track) {
	w.begin("trak")
	w.beginFull("tkhd", 0, 7) // enabled, in movie, in preview
	w.words(0, 0, t.ID, 0, 0, 0, 0)
	w.u16(0)
	w.u16(0)
	if t.Format.IsVideo() {
		w.u16(0)
	} else {
		w.u16(0x0100)
	}
	w.u16(0)
	w.words(identity[:]...)
	w.words(uint32(t.Width)<<16, uint32(t.Height)<<16)
	w.end()
	w.begin("mdia")
	w.beginFull("mdhd", 0, 0)
	w.words(0, 0, t.Timescale, 0)
	w.u16(0x55c4) // language "und"
	w.u16(0)
	w.end()
	w.handler(t)
	w.begin("minf")
	if t.Format.IsVideo() {
		w.beginFull("vmhd", 0, 1)
		w.zeros(8)
	} else {
		w.beginFull("smhd", 0, 0)
		w.zeros(4)
	}
	w.end()
	w.begin("dinf")
	w.beginFull("dref", 0, 0)
	w.u32(1)
	w.beginFull("url ", 0, 1) // the data are in this file
	w.end()
	w.end()
	w.end()
	w.sampleTable(t)
	w.end() // minf
	w.end() // mdia
	w.end() // trak
}

func (w *writer) handler(t Track) {
	w.beginFull("hdlr", 0, 0)
	w.u32(0)
	if t.Format.IsVideo() {
		w.text("vide")
	} else {
		w.text("soun")
	}
	w.zeros(12)
	w.text("ringcast\x00")
	w.end()
}

// sampleTable writes the sample entry; the tables of a fragmented file are
// empty.
func (w *writer) sampleTable(t Track) {
	w.begin("stbl")
	w.beginFull("stsd", 0, 0)
	w.u32(1)
	if t.Format.IsVideo() {
		w.videoEntry(t)
	} else {
		w.audioEntry(t)
	}
	w.end()
	for _, name := range [...]string{"stts", "stsc", "stsz", "stco"} {
		w.beginFull(name, 0, 0)
		w.u32(0)
		if name == "stsz" {
			w.u32(0)
		}
		w.end()
	}
	w.end()
}

func (w *writer) videoEntry(t Track) {
	names := [...][2]string{AVC1: {"avc1", "avcC"}, HVC1: {"hvc1", "hvcC"}, AV01: {"av01", "av1C"}, VP09: {"vp09", "vpcC"}}
	w.begin(names[t.Format][0])
	w.zeros(6)
	w.u16(1) // data reference
	w.zeros(16)
	w.u16(uint16(t.Width))
	w.u16(uint16(t.Height))
	w.words(0x480000, 0x480000, 0) // 72 dpi
	w.u16(1)                       // frames in a sample
	w.zeros(32)
	w.u16(0x18)
	w.u16(0xffff)
	w.begin(names[t.Format][1])
	w.bytes(t.Config)
	w.end()
	w.end()
}

func (w *writer) audioEntry(t Track) {
	name := "mp4a"
	if t.Format == Opus {
		name = "Opus"
	}
	w.begin(name)
	w.zeros(6)
	w.u16(1)
	w.zeros(8)
	w.u16(uint16(t.Channels))
	w.u16(16)
	w.u32(0)
	w.u32(uint32(min(t.SampleRate, 0xffff)) << 16)
	switch t.Format {
	case Opus:
		w.begin("dOps")
		w.bytes(t.Config)
		w.end()
	default:
		w.esds(t)
	}
	w.end()
}

// esds writes the elementary stream descriptor (ISO/IEC 14496-1 section 7.2.6).
func (w *writer) esds(t Track) {
	objectType := byte(0x40)
	var specific []byte
	if t.Format == MP3 {
		objectType = 0x6b
	} else {
		specific = append([]byte{5, byte(len(t.Config))}, t.Config...)
	}
	w.beginFull("esds", 0, 0)
	w.u8(3, byte(3+2+13+len(specific)+3))
	w.u16(uint16(t.ID))
	w.u8(0)
	w.u8(4, byte(13+len(specific)))
	w.u8(objectType, 0x15, 0, 0, 0)
	w.words(0, 0)
	w.bytes(specific)
	w.u8(6, 1, 2)
	w.end()
}
