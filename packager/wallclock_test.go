package packager

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// driftingDay publishes a day of a stream whose encoder's clock is off by some
// millionths, over a network that delays each frame, and calls see with the
// date that the stream gives to a moment and the true one.
func driftingDay(t *testing.T, millionths float64, see func(date, truth time.Duration, c Catalog)) PackagerStats {
	t.Helper()
	const wall = 1_700_000_000_000
	params := DefaultParams()
	params.Wall = wall
	p := NewPackager(params)
	video, err := NewTrack(CodecH264, []byte{1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xe4, 1, 0, 4, 0x68, 0xce, 0x3c, 0x80})
	if err != nil {
		t.Fatal(err)
	}
	p.SetTracks([]Track{video})
	u := NewUnpackager()
	random := rand.New(rand.NewPCG(1, uint64(millionths)))
	const fps = 2
	var out []Message
	for i := range 24 * 3600 * fps {
		source := time.Duration(i) * time.Second / fps
		truth := source + time.Duration(float64(source)*millionths/1e6) // when the frame was made
		delay := time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
		if random.IntN(3000) == 0 {
			delay += 3 * time.Second // a stall now and then
		}
		out = p.Pack(out[:0], reliability.Start.Add(truth+delay), Sample{
			Track: TrackVideo, DTS: source, PTS: source, Key: i%fps == 0, Payload: []byte{0, 0, 0, 2, 0x65, 0x88},
		})
		for _, m := range out {
			_ = u.Handle(m)
		}
		for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
			if ev.Kind == EventCatalog {
				see(time.Duration(ev.Catalog.Wall-wall)*time.Millisecond+ev.Catalog.Segment.Start, truth, ev.Catalog)
			}
		}
	}
	return p.Stats()
}

// Over a day of an encoder whose clock is off by 100 millionths, dates stay
// within 200 ms of the clock, move by half a millisecond a second, and
// nothing is torn: no jump, no discontinuity, no media time that was changed.
func TestDatesFollowADriftingClock(t *testing.T) {
	for _, millionths := range []float64{100, -100, 0} {
		var worst, fastest time.Duration
		var last int64
		stats := driftingDay(t, millionths, func(date, truth time.Duration, c Catalog) {
			worst = max(worst, (date - truth).Abs())
			if last != 0 {
				fastest = max(fastest, time.Duration(c.Wall-last).Abs()*time.Millisecond)
			}
			last = c.Wall
			if c.Segment.Discontinuity != 0 {
				t.Fatal("a discontinuity")
			}
		})
		t.Logf("%+.0f millionths: dates off by %v at most, moved by %v a segment at most", millionths, worst, fastest)
		if worst > 200*time.Millisecond {
			t.Errorf("%+.0f millionths: a date is off by %v", millionths, worst)
		}
		if fastest > 4*time.Millisecond {
			t.Errorf("%+.0f millionths: a date was moved by %v within a segment", millionths, fastest)
		}
		if stats.Jumps != 0 || stats.Backward != 0 || stats.Dropped != 0 {
			t.Errorf("%+.0f millionths: media times were changed: %+v", millionths, stats.TimelineStats)
		}
	}
}

// Dates that are off by seconds for long, since the source came in a burst at
// the start or was away, are set anew.
func TestDatesAreSetAnew(t *testing.T) {
	var c wallClock
	at := func(d time.Duration) reliability.Time { return reliability.Start.Add(d) }
	c.begin(at(0), 1_000_000, 0)
	for s := range 30 { // each frame comes 5 s later than at first
		now := at(time.Duration(s+5) * time.Second)
		c.note(now, time.Duration(s)*time.Second)
		if wall := c.at(now); s < 9 && wall > 1_000_100 {
			t.Fatalf("after %d s the mapping is %d", s, wall)
		}
	}
	// The quickest of the window still is the first; they leave it in time.
	for s := 30; s < 90; s++ {
		now := at(time.Duration(s+5) * time.Second)
		c.note(now, time.Duration(s)*time.Second)
		c.at(now)
	}
	if wall := c.at(at(95 * time.Second)); wall != 1_005_000 {
		t.Errorf("the mapping is %d, want 1005000", wall)
	}
}
