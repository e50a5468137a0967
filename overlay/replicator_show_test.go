package overlay

import (
	"testing"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
)

// A neighbor on a fast line gets everything from a seed without a pause, beside
// another one that wants nothing, and is never told more often of what there is
// than it takes.
func TestSeedOnAFastLine(t *testing.T) {
	const objects, perMillisecond = 4000, 2
	r, ids, now := oneReplicator(t, nil, 2)
	if err := r.AddHave(now, ObjectRange{First: 0, Last: objects - 1}, true); err != nil {
		t.Fatal(err)
	}
	takes := objectHaveRate.full(now)
	var shown, got, told indexSet
	begin, lastTold := now, now
	asked := uint64(0)
	for now.Sub(begin) < 10*time.Second && got.count() < objects {
		now = now.Add(time.Millisecond)
		if now.Sub(lastTold) >= r.p.Coalesce && !told.empty() {
			lastTold = now
			var ranges []owire.Range
			told.ranges(func(run owire.Range) bool {
				ranges = append(ranges, run)
				return true
			})
			told = indexSet{}
			r.HandleMessage(now, ids[0], FlowReplication, owire.AppendHave(nil, owire.HaveAdd, ranges))
		}
		for range perMillisecond {
			var next []uint64
			shown.ranges(func(run owire.Range) bool {
				next = append(next, run.First)
				return false
			})
			for _, i := range next {
				shown.remove(owire.Range{First: i, Last: i})
				asked++
				r.HandleMessage(now, ids[0], FlowReplication, owire.AppendRequest(nil, owire.Request{ID: asked, Index: i}))
			}
		}
		if r.PollTimeout() <= now {
			r.HandleTimeout(now)
		}
		for e, ok := r.PollEvent(); ok; e, ok = r.PollEvent() {
			if e.Kind == ObjectRequested {
				_ = r.Give(now, e.Request, text("x"))
			}
		}
		for s, ok := r.PollSend(); ok; s, ok = r.PollSend() {
			if s.Peer != ids[0] {
				continue
			}
			if s.Flow == FlowObjects {
				o, err := owire.ParseObject(s.Data)
				if err != nil {
					t.Fatal(err)
				}
				got.add(owire.Range{First: o.Index, Last: o.Index})
				told.add(owire.Range{First: o.Index, Last: o.Index})
				continue
			}
			ranges, kind, err := owire.ParseHave(nil, s.Data)
			if err != nil {
				t.Fatal(err)
			}
			if !takes.take(now, 1, objectHaveRate) {
				t.Fatalf("after %v it is told too often", now.Sub(begin))
			}
			for _, run := range ranges {
				if kind == owire.HaveRemove {
					shown.remove(run)
				} else {
					shown.add(run)
				}
			}
		}
	}
	// As long again for the start, when little is shown at a time, and for the
	// last object, which the idle neighbor is shown first.
	if took, limit := now.Sub(begin), 2*objects/perMillisecond*time.Millisecond; got.count() < objects || took > limit {
		t.Errorf("%d of %d objects after %v, want all within %v", got.count(), objects, took, limit)
	}
}
