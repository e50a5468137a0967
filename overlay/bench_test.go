package overlay

import (
	"testing"
	"time"
)

// BenchmarkCalmSecond is one second of one member of a settled group of 200,
// the modelled network included, which takes about half of it.
func BenchmarkCalmSecond(b *testing.B) {
	s := newSim(b, simOptions{seed: 51, caps: CapOverlay, loss: 0.01, unreachable: 0.2})
	s.fill(200, 10*time.Millisecond)
	s.run(90 * time.Second)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%200 == 1 {
			s.run(time.Second)
		}
	}
}

// BenchmarkRecompute decides on the slots of a settled member.
func BenchmarkRecompute(b *testing.B) {
	s := newSim(b, simOptions{seed: 52, caps: CapOverlay})
	s.fill(200, 10*time.Millisecond)
	s.run(60 * time.Second)
	r := s.nodes[0].ring
	b.ReportAllocs()
	for b.Loop() {
		r.recompute(s.now)
		r.scratch.actions.items = r.scratch.actions.items[:0]
	}
}

// BenchmarkReport makes a full report and takes it in.
func BenchmarkReport(b *testing.B) {
	s := newSim(b, simOptions{seed: 53, caps: CapOverlay})
	s.fill(200, 10*time.Millisecond)
	s.run(30 * time.Second)
	r := s.nodes[0].ring
	l := r.links[0]
	b.ReportAllocs()
	for b.Loop() {
		r.reportTo(s.now, l, formFull, true)
		a := r.scratch.actions.items[len(r.scratch.actions.items)-1]
		r.scratch.actions.items = r.scratch.actions.items[:0]
		l.reports.left = 10
		r.handleReport(s.now, l, a.Data)
	}
}
