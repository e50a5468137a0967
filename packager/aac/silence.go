package aac

// The kinds of elements in a raw_data_block (ISO/IEC 14496-3 table 4.85).
const (
	elementSCE = 0
	elementCPE = 1
	elementLFE = 3
	elementEnd = 7
)

// elements are those of each channel configuration (table 1.19), in order.
var elements = [...][]int{
	1: {elementSCE},
	2: {elementCPE},
	3: {elementSCE, elementCPE},
	4: {elementSCE, elementCPE, elementSCE},
	5: {elementSCE, elementCPE, elementCPE},
	6: {elementSCE, elementCPE, elementCPE, elementLFE},
	7: {elementSCE, elementCPE, elementCPE, elementCPE, elementLFE},
}

type bitWriter struct {
	b    []byte
	free int // bits free in the last byte
}

func (w *bitWriter) write(v, n int) {
	for n--; n >= 0; n-- {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>n&1) << w.free
	}
}

// SilentUnit returns an access unit that decodes to silence, or nil if the
// configuration is not of a kind that is written here.
func (c Config) SilentUnit() []byte {
	if c.CoreType != ObjectLC || c.ChannelConfig < 1 || c.ChannelConfig >= len(elements) {
		return nil
	}
	var w bitWriter
	tags := [8]int{}
	for _, kind := range elements[c.ChannelConfig] {
		w.write(kind, 3)
		w.write(tags[kind], 4)
		tags[kind]++
		if kind == elementCPE {
			w.write(0, 1) // each channel has its own window
			w.silentChannel()
		}
		w.silentChannel()
	}
	w.write(elementEnd, 3)
	return w.b
}

// silentChannel writes an individual_channel_stream without any spectral band.
func (w *bitWriter) silentChannel() {
	w.write(100, 8) // global_gain
	w.write(0, 4)   // ics_info: a long window of sine shape
	w.write(0, 6)   // max_sfb: no bands
	w.write(0, 1)   // no prediction
	w.write(0, 3)   // no pulses, noise shaping or gain control
}
