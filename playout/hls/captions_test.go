package hls

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
)

// Captions ride in the pictures' SEI (ATSC A/53). They come out byte for byte,
// before the slices of their own picture, in both variants.
func TestCaptionsPass(t *testing.T) {
	captions := []byte{0x06, 0x04, 0x0d, 0xb5, 0x00, 0x31, 'G', 'A', '9', '4', 0x03, 0x41, 0xff, 0xfc, 0x94, 0x20, 0xff, 0x80}
	for _, variant := range []Variant{LowLatency, MPEGTS} {
		config := DefaultConfig()
		config.Variant = variant
		config.Window, config.Retain = time.Hour, time.Hour
		messages := publish(t, "bframes.flv", 2, everything)
		pictures := 0
		for i := range messages {
			m := &messages[i]
			if m.Type != packager.MessageVideo || m.HeaderLen < 2 || m.Header[1] != byte(flv.CodedFrames) {
				continue
			}
			with := binary.BigEndian.AppendUint32(nil, uint32(len(captions)))
			m.Payload = append(append(with, captions...), m.Payload...)
			pictures++
		}
		m := node(config, messages)
		m.WriteEvent(packager.Event{Kind: packager.EventEnd})
		found := 0
		for _, seg := range m.segments {
			for _, p := range seg.parts {
				found += bytes.Count(p.in[mainRendition].body, captions)
			}
		}
		// A transport packet may end within one.
		if least := pictures * 9 / 10; found > pictures || found < least || variant == LowLatency && found != pictures {
			t.Errorf("%s: %d captions of %d came out", variant, found, pictures)
		}
	}
}
