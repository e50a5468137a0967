package swarm

import (
	"strings"
	"testing"
	"time"
)

// play runs a stream and returns the group at its end.
func play(t *testing.T, sc *Scenario) (*Sim, Metrics) {
	t.Helper()
	if err := sc.Validate(); err != nil {
		t.Fatal(err)
	}
	r := &run{sc: sc, report: &Report{Metrics: Metrics{}}}
	s, err := r.playMedia(sc)
	if err != nil {
		t.Fatal(err)
	}
	m := Metrics{}
	r.mediaFigures(s, m)
	s.checkEnds()
	s.checkQueues()
	return s, m
}

// unbroken fails the test if an invariant did not hold.
func unbroken(t *testing.T, s *Sim) {
	t.Helper()
	if b := s.Broken(); len(b) > 0 {
		t.Errorf("seed %d: %s", s.sc.Seed, strings.Join(b, "\n"))
	}
}

func named(t *testing.T, name string, nodes int) *Scenario {
	t.Helper()
	sc, err := Named(name, nodes)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// The reference scenario with 100 members: loss, churn, unequal uploads.
func TestSmall100(t *testing.T) {
	sc := named(t, "steady", 100)
	sc.Ramp, sc.Settle, sc.Duration = 3*time.Second, 17*time.Second, 15*time.Second
	sc.Churn.Session.Scale = 5 * time.Minute // enough of it in a short time
	s, m := play(t, sc)
	unbroken(t, s)
	t.Logf("delivery %.5f, delay %.3f / %.3f s, egress %.2f, control %.3f, twice %.4f", m["delivery"], m["delay_p50_s"], m["delay_p99_s"], m["egress_mean"], m["control_share"], m["duplicate_share"])
	if m["delivery"] < 0.99 || m["delay_p50_s"] > 0.7 || m["delay_p99_s"] > 3 || m["egress_mean"] > 1.6 || m["duplicate_share"] > 0.05 {
		t.Error("the figures are far from those of a working group")
	}
}

// Small groups whose publisher has plenty and whose viewers have little: a
// broadcaster with ten or twenty friends. Everybody can be fed by the publisher
// alone, and whoever finds nobody else is.
func TestSmallGroups(t *testing.T) {
	for _, n := range []int{10, 20} {
		for seed := range uint64(3) {
			sc := named(t, "steady", n)
			sc.Seed, sc.Ramp, sc.Settle, sc.Duration, sc.Unreachable, sc.Churn.On = seed+1, 3*time.Second, 12*time.Second, 10*time.Second, 0, false
			s, m := play(t, sc)
			unbroken(t, s)
			t.Logf("%d members, seed %d: delivery %.5f, egress %.2f", n, sc.Seed, m["delivery"], m["egress_mean"])
			if m["delivery"] < 0.999 {
				t.Errorf("%d members, seed %d: %.3f %% delivered, want 99.9 %%", n, sc.Seed, 100*m["delivery"])
			}
		}
	}
}

// A group with less upload than its stream needs: everybody gets the sound and
// the key frames, since the publisher leaves out what cannot be carried. A member
// without a parent for one slice would lack an eighth of both; a tenth of the
// members in that state is what the bounds allow.
func TestOverload100(t *testing.T) {
	sc := named(t, "overload", 100)
	sc.Settle, sc.Duration = 30*time.Second, 15*time.Second
	s, m := play(t, sc)
	unbroken(t, s)
	t.Logf("delivery %.5f, audio %.5f, key frames %.5f, delay %.3f / %.3f s", m["delivery"], m["audio_delivery"], m["keyframe_delivery"], m["delay_p50_s"], m["delay_p99_s"])
	if m["audio_delivery"] < 0.9875 || m["keyframe_delivery"] < 0.9 || m["delivery"] > 0.99 {
		t.Error("what matters does not come through, or there is enough for all")
	}
}

// A group of 1,000 that has just come together: nothing that must hold is
// broken in the crowd.
func TestSmall1000(t *testing.T) {
	sc := named(t, "steady", 1000)
	sc.Ramp, sc.Settle, sc.Duration = 8*time.Second, time.Second, time.Second
	s, m := play(t, sc)
	unbroken(t, s)
	playing := 0
	for _, v := range s.views() {
		if v.first >= 0 {
			playing++
		}
	}
	t.Logf("%d play, delay %.3f / %.3f s, %d ready", playing, m["delay_p50_s"], m["delay_p99_s"], len(s.truth.members))
	if len(s.truth.members) < 950 || playing < 100 {
		t.Error("hardly anybody has arrived")
	}
}

// What the members count is what happened.
func TestCountersAgreeWithLedger(t *testing.T) {
	sc := named(t, "steady", 40)
	sc.Ramp, sc.Settle, sc.Duration, sc.Churn.On = time.Second, 4*time.Second, 10*time.Second, false
	s, _ := play(t, sc)
	s.checkBooks()
	unbroken(t, s)
}

// The same seed gives the same run of real members, another seed another one.
func TestMembersTraceHash(t *testing.T) {
	hash := func(seed uint64) uint64 {
		sc := named(t, "steady", 30)
		sc.Seed, sc.Ramp, sc.Settle, sc.Duration = seed, time.Second, 2*time.Second, 3*time.Second
		sc.Churn.Session.Scale = time.Minute
		s, _ := play(t, sc)
		return s.Hash()
	}
	if a, b := hash(5), hash(5); a != b {
		t.Errorf("seed 5 gives %x and %x", a, b)
	}
	if hash(5) == hash(6) {
		t.Error("seeds 5 and 6 give the same run")
	}
}

// The ring of 1,000 members who come within 5 s is right soon after.
func TestSmallOverlay1000(t *testing.T) {
	sc := named(t, "overlay", 1000)
	sc.Ramp, sc.Churn.On = 5*time.Second, false
	spec, err := group()
	if err != nil {
		t.Fatal(err)
	}
	s := New(sc, ringMaker(spec))
	s.populate()
	s.launch()
	s.Run(15 * time.Second)
	ring, degrees := s.Ring(), s.Degrees()
	t.Logf("%d members, first %.4f, six %.4f, degree %.1f / %d", ring.Members, ring.First, ring.Six, degrees.Mean(), degrees.Max())
	unbroken(t, s)
	if ring.Members < 1000 || ring.First < 0.99 || float64(degrees.Max()) > 2.5*degrees.Mean() {
		t.Error("the figures are far from those of a working ring")
	}
}

// A group of which most members have native multicast: what they lose there
// comes from neighbors, and hardly any of it from the publisher.
func TestSmallFusion(t *testing.T) {
	sc := named(t, "fusion", 60)
	sc.Ramp, sc.Settle, sc.Duration, sc.Churn.On = 2*time.Second, 10*time.Second, 10*time.Second, false
	s, m := play(t, sc)
	unbroken(t, s)
	b := s.ledger.native
	loss := float64(b.lost) / float64(b.came+b.lost)
	t.Logf("delivery %.5f, %.4f lost, repair %.2f, of it from the publisher %.3f", m["delivery"], loss, float64(b.repair)/float64(b.lost), float64(b.fromSource)/float64(b.lost))
	if loss < 0.015 || loss > 0.025 {
		t.Errorf("%.4f is lost, want 0.02", loss)
	}
	if m["delivery"] < 0.999 || b.repair > 2*b.lost || b.fromSource > b.lost/10 {
		t.Error("the figures are far from those of a working group")
	}
}
