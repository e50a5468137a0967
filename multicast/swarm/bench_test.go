package swarm

import (
	"testing"
	"time"
)

// BenchmarkSecond is a second of the reference scenario with 1,000 members,
// all trees standing.
func BenchmarkSecond(b *testing.B) {
	sc, err := Named("steady", 1000)
	if err != nil {
		b.Fatal(err)
	}
	spec, err := group()
	if err != nil {
		b.Fatal(err)
	}
	s := New(sc, memberMaker(spec))
	s.populate()
	s.ledger.media.windowSize, s.ledger.media.margin = sc.Window, sc.Margin
	s.launch()
	s.After(0, func() { s.publish() })
	s.Run(20 * time.Second)
	before, fragments := s.Events(), s.ledger.mediaArrived
	b.ReportAllocs()
	for b.Loop() {
		s.Run(time.Second)
	}
	b.ReportMetric(float64(s.Events()-before)/float64(b.N), "events/op")
	b.ReportMetric(float64(s.ledger.mediaArrived-fragments)/float64(b.N), "fragments/op")
}
