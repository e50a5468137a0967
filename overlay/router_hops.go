package overlay

import (
	"slices"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// Route sends data to the member nearest to an address, over as many hops as it
// takes. Nothing is heard of it again. It returns the message's number.
func (r *Router) Route(now reliability.Time, target Address, data []byte) (uint64, RouteResult) {
	return r.begin(now, owire.RoutedMessage, target, data)
}

// Ask is Route for a question. RouterAnswer or RouterFailed with the same number
// tells how it ended: an answer came, or none after 12 s in which it was
// repeated three times.
func (r *Router) Ask(now reliability.Time, target Address, data []byte) (uint64, RouteResult) {
	if len(r.asked) >= maxAsked {
		return 0, RouteError
	}
	r.stats.Asked++
	return r.begin(now, owire.RoutedQuestion, target, data)
}

func (r *Router) begin(now reliability.Time, kind owire.RoutedKind, target Address, data []byte) (uint64, RouteResult) {
	if !r.c.Enabled || len(data) > owire.MaxRoutedLen {
		return 0, RouteError
	}
	m := owire.Routed{Kind: kind, Number: r.c.Rand.Uint64(), Origin: r.c.Self, Target: target, Payload: slices.Clone(data)}
	if kind == owire.RoutedQuestion {
		r.asked = append(r.asked, question{m, now.Add(askAgainAfter)})
	}
	if !r.pass(now, m, nil) && kind == owire.RoutedMessage {
		return m.Number, RouteNone
	}
	return m.Number, RouteSent
}

// Answer answers a question that came with RouterQuestion.
func (r *Router) Answer(now reliability.Time, origin PeerID, number uint64, data []byte) RouteResult {
	if !r.c.Enabled || len(data) > owire.MaxRoutedLen {
		return RouteError
	}
	m := owire.Routed{Kind: owire.RoutedAnswer, Number: number, Origin: r.c.Self, Target: origin.Address(), Payload: slices.Clone(data)}
	r.answered = slices.DeleteFunc(r.answered, func(a answer) bool { return now.Sub(a.at) > answerKept })
	if len(r.answered) == maxAnswered {
		r.answered = slices.Delete(r.answered, 0, 1)
	}
	r.answered = append(r.answered, answer{seenMessage{keyOfID(&origin), number, owire.RoutedQuestion, arrivedHere}, m.Payload, now})
	if !r.pass(now, m, nil) {
		return RouteNone
	}
	return RouteSent
}

// handleRouted passes a routed message on, or takes it.
func (r *Router) handleRouted(now reliability.Time, _ PeerID, b []byte) {
	m, err := owire.ParseRouted(b)
	if err != nil || m.Hops >= maxHops {
		r.stats.Dropped++
		return
	}
	m.Hops++
	// A copy that came another way, because this node's sign of life was late,
	// is watched on its next hop already.
	if m.Target != r.addr && !r.isNew(seenMessage{keyOfID((*PeerID)(&m.Origin)), m.Number, m.Kind, m.Attempt}) {
		r.stats.Duplicates++
		return
	}
	if !r.pass(now, m, nil) {
		r.stats.Dropped++
	}
}

// isNew notes a message and reports whether it has not come before.
func (r *Router) isNew(key seenMessage) bool {
	if slices.Contains(r.seen, key) {
		return false
	}
	if len(r.seen) < maxSeen {
		r.seen = append(r.seen, key)
	} else {
		r.seen[r.seenNext] = key
		r.seenNext = (r.seenNext + 1) % maxSeen
	}
	return true
}

// pass sends a message to the next hop that is not excluded, or delivers it. It
// reports whether either was possible. The payload may be borrowed.
func (r *Router) pass(now reliability.Time, m owire.Routed, excluded []PeerID) bool {
	next, relayed, found := r.nextHop(m.Target, excluded)
	if !found {
		return r.arrive(now, m)
	}
	if m.Hops > 0 {
		r.stats.Forwarded++
	}
	data := owire.AppendRouted(make([]byte, 0, 96+len(m.Payload)), m)
	r.send(next, data)
	if len(r.flying) == maxInFlight {
		r.flying = slices.Delete(r.flying, 0, 1)
	}
	f := flight{to: next, data: data, tries: len(excluded)}
	copy(f.excluded[:], excluded)
	rtt, _ := r.c.Transport.RTT(next)
	patience := max(hopPatience, 2*rtt)
	if relayed {
		patience *= 2
	}
	f.sign, f.deadline = now.Add(rtt/2), now.Add(patience)
	r.flying = append(r.flying, f)
	return true
}

// isDead reports whether the receiver of a message on its way has given no sign
// of life that it can have sent after it came.
func (r *Router) isDead(f *flight) bool { return r.c.Transport.LastHeard(f.to) <= f.sign }

// nextHop chooses the neighbor to go on with: the target itself, else among
// those nearer to the target than this node the one that leads nearest, itself
// or by one of its own neighbors. Free choice among all neighbors makes loops.
func (r *Router) nextHop(target Address, excluded []PeerID) (next PeerID, relayed, found bool) {
	bound := !r.c.View.TakesNearest()
	var best, own uint64
	top := target.Top()
	for _, l := range r.c.View.Links() {
		if slices.Contains(excluded, l.Peer) || l.Suspect {
			continue
		}
		if l.Addr == target {
			return l.Peer, l.Relayed, true
		}
		if !l.Nearest || l.Caps&CapOverlay == 0 || !bound && !nearer(l.Addr, r.addr, target) {
			continue
		}
		direct := ringDistance(l.Addr.Top(), top)
		reach := min(direct, nearestListed(r.c.View.NeighborsOf(l.Peer), top))
		if !found || reach < best || reach == best && direct < own {
			next, relayed, best, own, found = l.Peer, l.Relayed, reach, direct, true
		}
	}
	if target == r.addr {
		return PeerID{}, false, false
	}
	return next, relayed, found
}

func ringDistance(a, b uint64) uint64 { return min(a-b, b-a) }

// nearestListed returns how near to a place the nearest ready member of a list
// is.
func nearestListed(list []Prefix, place uint64) uint64 {
	nearest := uint64(1) << 63
	n := len(list)
	if n == 0 {
		return nearest
	}
	i, _ := slices.BinarySearchFunc(list, prefixAt(place), comparePlaces)
	for _, way := range [2]int{1, n - 1} {
		j := i % n
		if way != 1 {
			j = (i + n - 1) % n
		}
		for range n {
			if list[j].IsReady() {
				nearest = min(nearest, ringDistance(list[j].Top(), place))
				break
			}
			j = (j + way) % n
		}
	}
	return nearest
}

// arrive delivers a message here, if this node is one to take it.
func (r *Router) arrive(now reliability.Time, m owire.Routed) bool {
	if m.Target != r.addr && !r.c.View.TakesNearest() {
		return false
	}
	if m.Kind == owire.RoutedAnswer {
		return r.answer(m)
	}
	key := seenMessage{keyOfID((*PeerID)(&m.Origin)), m.Number, m.Kind, arrivedHere}
	if !r.isNew(key) {
		r.stats.Duplicates++
		r.answerAgain(now, m, key)
		return true
	}
	r.stats.Arrived++
	r.stats.Hops += uint64(m.Hops)
	e := RouterEvent{
		Kind: RouterArrived, Data: slices.Clone(m.Payload), Origin: m.Origin, Target: m.Target, Number: m.Number, Hops: int(m.Hops),
		From: PeerID(m.Origin).Address(), FromLocal: m.Origin == r.c.Self,
	}
	if m.Kind == owire.RoutedQuestion {
		e.Kind = RouterQuestion
	}
	r.events.push(e)
	return true
}

// answerAgain repeats an answer that seems to have been lost.
func (r *Router) answerAgain(now reliability.Time, m owire.Routed, key seenMessage) {
	for i := range r.answered {
		if a := &r.answered[i]; a.question == key {
			r.pass(now, owire.Routed{
				Kind: owire.RoutedAnswer, Number: m.Number, Attempt: m.Attempt, Origin: r.c.Self, Target: PeerID(m.Origin).Address(), Payload: a.data,
			}, nil)
			return
		}
	}
}

// answer delivers the answer to a question of this node. One that is for
// somebody else came here because its target has left.
func (r *Router) answer(m owire.Routed) bool {
	if m.Target != r.addr {
		return false
	}
	i := slices.IndexFunc(r.asked, func(q question) bool { return q.message.Number == m.Number })
	if i < 0 {
		r.stats.Duplicates++
		return true
	}
	r.asked = slices.Delete(r.asked, i, i+1)
	r.stats.Answered++
	r.events.push(RouterEvent{
		Kind: RouterAnswer, Data: slices.Clone(m.Payload), Origin: m.Origin, From: PeerID(m.Origin).Address(), Target: m.Target,
		Number: m.Number, Hops: int(m.Hops), FromLocal: m.Origin == r.c.Self,
	})
	return true
}

// HandleLink tells that a link is up or has changed. Suspects are passed by at
// once.
func (r *Router) HandleLink(now reliability.Time, l LinkInfo) {
	if l.Suspect {
		r.HandleLinkDown(now, l.Peer)
	}
}

// HandleLinkDown tells that a neighbor is gone. What is on its way there takes
// another way.
func (r *Router) HandleLinkDown(now reliability.Time, p PeerID) {
	for i := 0; i < len(r.flying); {
		f := r.flying[i]
		if f.to != p {
			i++
			continue
		}
		r.flying = slices.Delete(r.flying, i, i+1)
		if r.isDead(&f) {
			r.reroute(now, f)
		}
	}
}

// reroute sends a message another way than to the neighbor that does not answer.
// The exclusion holds for this hop only: that this node does not hear from a
// member says nothing to others.
func (r *Router) reroute(now reliability.Time, f flight) {
	if f.tries == maxExcluded {
		r.stats.Dropped++
		return
	}
	f.excluded[f.tries] = f.to
	m, err := owire.ParseRouted(f.data)
	if err != nil {
		panic("overlay: a message of our own can't be read")
	}
	if _, _, found := r.nextHop(m.Target, f.excluded[:f.tries+1]); !found && f.waits < maxWaits && r.trusts(f.excluded[:f.tries+1]) {
		f.waits++
		f.deadline = now.Add(hopPatience)
		r.flying = append(r.flying, f)
		return
	}
	r.stats.Rerouted++
	if !r.pass(now, m, f.excluded[:f.tries+1]) {
		r.stats.Dropped++
	}
}

// trusts reports whether one of the neighbors that did not answer is still in
// good standing. To take a message in its place would be wrong if a packet was
// lost, and whether it is dead the ring will know in a second.
func (r *Router) trusts(peers []PeerID) bool {
	return slices.ContainsFunc(r.c.View.Links(), func(l LinkInfo) bool { return !l.Suspect && slices.Contains(peers, l.Peer) })
}

// HandleTimeout looks after messages on their next hop, and repeats questions.
func (r *Router) HandleTimeout(now reliability.Time) {
	for i := 0; i < len(r.flying); {
		f := r.flying[i]
		if f.deadline > now {
			i++
			continue
		}
		r.flying = slices.Delete(r.flying, i, i+1)
		if r.isDead(&f) {
			r.reroute(now, f)
		}
	}
	for i := 0; i < len(r.asked); {
		q := &r.asked[i]
		if q.deadline > now {
			i++
			continue
		}
		if q.message.Attempt++; int(q.message.Attempt) == askTries {
			r.stats.Failed++
			r.events.push(RouterEvent{Kind: RouterFailed, Target: q.message.Target, Number: q.message.Number})
			r.asked = slices.Delete(r.asked, i, i+1)
			continue
		}
		r.stats.Repeated++
		q.deadline = now.Add(askAgainAfter)
		m := q.message
		r.pass(now, m, nil)
		i++
	}
}

// PollTimeout returns when HandleTimeout is to be called next.
func (r *Router) PollTimeout() reliability.Time {
	at := reliability.Never
	for i := range r.flying {
		at = min(at, r.flying[i].deadline)
	}
	for i := range r.asked {
		at = min(at, r.asked[i].deadline)
	}
	return at
}
