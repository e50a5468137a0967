package load

import (
	"encoding/binary"
	"testing"
	"time"
)

// A player with a second of buffer forgives what is late by less, and counts
// what is late by more.
func TestPlayback(t *testing.T) {
	p := Playback{Buffer: time.Second}
	begin := time.Unix(1000, 0)
	packet := func(number int, late time.Duration) {
		b := make([]byte, 12)
		b[1] = 0x80
		binary.BigEndian.PutUint16(b[2:], uint16(65530+number)) // wraps
		binary.BigEndian.PutUint32(b[4:], 1<<32-10000+uint32(number)*3600)
		p.Packet(b, begin.Add(time.Duration(number)*40*time.Millisecond+late))
	}
	for i := range 50 {
		packet(i, time.Duration(i%10)*90*time.Millisecond)
	}
	if p.Stalls != 0 || p.Pictures != 50 || p.Missing != 0 {
		t.Errorf("%d stalls, %d pictures, %d packets missing; want 0, 50, 0", p.Stalls, p.Pictures, p.Missing)
	}
	for i := 52; i < 60; i++ { // two are gone, and the rest comes late
		packet(i, 1500*time.Millisecond)
	}
	if p.Stalls != 1 || p.Stalled != 500*time.Millisecond || p.Missing != 2 {
		t.Errorf("%d stalls of %v, %d packets missing; want 1 of 500ms, 2", p.Stalls, p.Stalled, p.Missing)
	}
	p.End(begin.Add(60*40*time.Millisecond + 4*time.Second))
	if p.Stalls != 2 {
		t.Errorf("%d stalls at the end, want 2", p.Stalls)
	}
}
