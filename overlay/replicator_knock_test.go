package overlay

import (
	"testing"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
)

// An object that the only neighbor to show it has given wrong is soon got from
// another one that has it and does not say so, whichever that is: with 20
// neighbors of which 8 are asked at a time, after three knocks, of which the last
// comes 2 + 4 + 8 s after the beginning.
func TestRefusedObjectIsFoundElsewhere(t *testing.T) {
	const neighbors, index = 20, 300
	for holder := 1; holder < neighbors; holder++ {
		r, ids, now := oneReplicator(t, nil, neighbors)
		if err := r.AddWant(now, one(index)); err != nil {
			t.Fatal(err)
		}
		r.HandleMessage(now, ids[0], FlowReplication, have(owire.HaveReplace, owire.Range{First: index, Last: index}))
		began, took := now, time.Duration(0)
		asked := make(map[PeerID]int)
		for !r.Has(index) && now.Sub(began) < 20*time.Minute {
			for s, ok := r.PollSend(); ok; s, ok = r.PollSend() {
				q, err := owire.ParseRequest(s.Data)
				if err != nil {
					continue
				}
				asked[s.Peer]++
				if s.Peer == ids[0] || s.Peer == ids[holder] {
					r.HandleMessage(now, s.Peer, FlowObjects, owire.AppendObject(nil, owire.Object{Request: q.ID, Index: index, Value: text("x")}))
				} else {
					r.HandleMessage(now, s.Peer, FlowReplication, owire.AppendDeny(nil, q.ID))
				}
			}
			for e, ok := r.PollEvent(); ok; e, ok = r.PollEvent() {
				if e.Kind == ObjectCame {
					took = now.Sub(began)
					r.Judge(now, index, e.Peer == ids[holder])
				}
			}
			if at := r.PollTimeout(); at > now {
				now = at
			}
			r.HandleTimeout(now)
		}
		r.checkAccounts(t)
		if took > 14*time.Second {
			t.Errorf("neighbor %d was found after %v", holder, took)
		}
		if n := asked[ids[0]]; n != 1 {
			t.Errorf("the neighbor that gave it wrong was asked %d times", n)
		}
	}
}

// The only one that has an object is asked again soon when it came wrong.
func TestOnlyHolderIsAskedAgain(t *testing.T) {
	const neighbors, index = 3, 7
	r, ids, now := oneReplicator(t, nil, neighbors)
	if err := r.AddWant(now, one(index)); err != nil {
		t.Fatal(err)
	}
	r.HandleMessage(now, ids[0], FlowReplication, have(owire.HaveReplace, owire.Range{First: index, Last: index}))
	began, times := now, 0
	for !r.Has(index) && now.Sub(began) < time.Minute {
		for s, ok := r.PollSend(); ok; s, ok = r.PollSend() {
			q, err := owire.ParseRequest(s.Data)
			switch {
			case err != nil:
			case s.Peer == ids[0]:
				r.HandleMessage(now, s.Peer, FlowObjects, owire.AppendObject(nil, owire.Object{Request: q.ID, Index: index, Value: text("x")}))
			default:
				r.HandleMessage(now, s.Peer, FlowReplication, owire.AppendDeny(nil, q.ID))
			}
		}
		for e, ok := r.PollEvent(); ok; e, ok = r.PollEvent() {
			if e.Kind == ObjectCame {
				times++
				r.Judge(now, index, times > 1)
			}
		}
		if at := r.PollTimeout(); at > now {
			now = at
		}
		r.HandleTimeout(now)
	}
	if took := now.Sub(began); !r.Has(index) || took > 15*time.Second {
		t.Errorf("after %v it is there: %v", took, r.Has(index))
	}
	r.checkAccounts(t)
}
