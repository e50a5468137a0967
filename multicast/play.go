package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// silentTime is after which silence of a stream another one of the same
	// name is taken instead, in milliseconds.
	silentTime = 3000
	// goneTime is for how long a stream without any neighbor that has it is
	// remembered.
	goneTime = 30_000
	// lifetime is after which silence a stream is forgotten in any case.
	lifetime = 300_000
)

// subscription is an application's wish to play the streams of a name.
type subscription struct {
	name    string
	options PlayOptions
	stream  *stream // that it is bound to, or nil
	reset   bool    // it was bound to another one before
}

// Play subscribes to the streams of a name, now and later: one of them is
// delivered at a time. A second call for the same name does nothing.
func (e *Engine) Play(now reliability.Time, name string, o PlayOptions) {
	e.enter(now)
	for _, sub := range e.plays {
		if sub.name == name {
			return
		}
	}
	e.plays = append(e.plays, &subscription{name: name, options: o})
	e.bind()
}

// StopPlay ends a subscription and takes leave of the neighbors.
func (e *Engine) StopPlay(now reliability.Time, name string) {
	e.enter(now)
	for i, sub := range e.plays {
		if sub.name != name {
			continue
		}
		e.plays = append(e.plays[:i], e.plays[i+1:]...)
		if sub.stream != nil {
			sub.stream.unbind()
		}
		return
	}
}

// Close ends all streams and subscriptions, in order to leave the group.
func (e *Engine) Close(now reliability.Time) {
	e.enter(now)
	e.plays = nil
	for _, s := range e.streams {
		s.play = nil
		if s.publishing && s.end == 0 {
			s.finish()
		}
		if s.active {
			s.deactivate()
		}
	}
}

// bind gives each subscription the stream that it should have.
func (e *Engine) bind() {
	for _, sub := range e.plays {
		if old := sub.stream; old != nil && !old.isOver() {
			continue
		}
		best := e.newestStream(sub)
		if best == nil {
			continue
		}
		if sub.stream != nil {
			sub.stream.unbind()
			sub.reset = true
		}
		best.bindTo(sub)
	}
}

// isOver reports whether a stream that is played has nothing more to give.
func (s *stream) isOver() bool {
	if s.end != 0 {
		return s.done || s.e.ms.after(s.endedAt) > int(s.window/1e6)
	}
	return !s.publishing && s.e.ms.after(s.progress) > silentTime
}

// newestStream returns the stream of a subscription's name that began last, of
// those that somebody has and that go on.
func (e *Engine) newestStream(sub *subscription) *stream {
	for i := len(e.streams) - 1; i >= 0; i-- {
		s := e.streams[i]
		if s.name == sub.name && s != sub.stream && s.play == nil && s.end == 0 && (s.publishing || s.announcers() > 0) {
			return s
		}
	}
	return nil
}

// announcers returns how many neighbors have announced the stream; native
// multicast counts as one.
func (s *stream) announcers() int {
	n := 0
	for i := range s.peers {
		if s.peers[i].is(peerIn | peerHas) {
			n++
		}
	}
	if s.isHeardNatively() {
		n++
	}
	return n
}

// bindTo makes a subscription play the stream.
func (s *stream) bindTo(sub *subscription) {
	sub.stream, s.play = s, sub
	if sub.reset {
		s.e.events.push(Event{Kind: EventReset, Name: s.name, Key: s.key, Params: s.params})
	}
	if !s.active {
		s.activate()
	}
	s.assembler = s.newAssembler()
	s.playable, s.done, s.progress = false, false, s.e.ms
	if s.publishing {
		s.assembler.Start(s.win.known + 1)
		return
	}
	for i := range s.peers {
		if s.peers[i].is(peerIn | peerHas) {
			s.announce(s.e.neighbors[i])
		}
	}
}

func (s *stream) newAssembler() *fragmenter.Reassembler {
	p := fragmenter.DefaultReassemblerParams()
	p.OmitBody = s.play.options.OmitBody
	return fragmenter.NewReassembler(p, s.win)
}

// unbind ends the delivery of a stream, and all part in it unless it is
// published here.
func (s *stream) unbind() {
	s.play.stream = nil
	s.play, s.assembler = nil, nil
	if !s.publishing {
		s.deactivate()
	}
}

// activate makes room for a stream's fragments.
func (s *stream) activate() {
	e := s.e
	s.active = true
	s.win = e.newWindow(s)
	s.owner = e.config.Uplink.ownerOf(s.key)
	s.improveAt = e.ms + millis(e.config.Rand.IntN(improvePeriod))
	s.progress, s.activeAt = e.ms, e.ms
	s.setSlots()
}

func (e *Engine) newWindow(s *stream) *Window {
	p := DefaultWindowParams()
	p.Duration, p.Margin = s.window, s.margin
	p.Shared = e.config.KeepMedia
	return NewWindow(p)
}

// deactivate ends all part in a stream and takes leave of the neighbors. That
// others have it is remembered.
func (s *stream) deactivate() {
	e := s.e
	for i := range s.peers {
		p := &s.peers[i]
		if p.flags&(peerIn|peerOut) == 0 {
			continue
		}
		n := e.neighbors[i]
		s.dropChildren(n)
		if p.is(peerOut) {
			e.rejects.push(Reject{Peer: n.id, Key: s.key, Flow: overlay.FlowMedia})
			e.rejects.push(Reject{Peer: n.id, Key: s.key, Flow: overlay.FlowStream})
		}
		// Both directions of the flow are closed; who still wants us to know
		// of the stream announces it again.
		keep := p.flags & (peerExt | peerIn | peerHas)
		if p.is(peerOut) {
			if keep&peerIn != 0 {
				keep |= peerHas
			}
			keep &^= peerIn
		}
		s.peers[i] = peer{flags: keep}
	}
	e.config.Uplink.forgetOwner(s.owner)
	for c := range s.slices {
		s.slices[c] = slice{parent: none, former: none, standby: none}
	}
	s.active, s.publishing, s.source, s.win, s.assembler = false, false, nil, nil, nil
	s.pulls, s.rates, s.slots, s.join, s.used = nil, rates{}, slots{}, joining{}, 0
	s.keyFrame, s.mapNewest, s.givenUp, s.announced, s.clock, s.lack = keyFrame{}, 0, 0, false, streamClock{}, lack{}
	if s.nat != nil {
		s.nat = &nativeStream{heardAt: s.nat.heardAt, checkedAt: s.e.ms}
	}
}

// endTick forgets streams that are over and binds subscriptions anew.
func (e *Engine) endTick() {
	e.watchProbes()
	kept := e.streams[:0]
	for _, s := range e.streams {
		if s.isForgotten() {
			if s.play != nil {
				if !s.done { // nobody was left to say so
					e.events.push(Event{Kind: EventEnd, Name: s.name, Key: s.key})
				}
				s.unbind()
			}
			if s.active {
				s.deactivate()
			}
			e.forget(s)
			continue
		}
		kept = append(kept, s)
	}
	clear(e.streams[len(kept):])
	e.streams = kept
	e.bind()
}

// isForgotten reports whether nothing more is to be done for a stream.
func (s *stream) isForgotten() bool {
	now := s.e.ms
	kept := int((s.window + s.margin) / 1e6)
	switch {
	case s.end != 0:
		return now.after(s.endedAt) > kept
	case s.publishing:
		return false
	case s.active:
		return now.after(s.progress) > lifetime
	case s.announcers() > 0:
		s.alone = now
		return false
	}
	return now.after(s.alone) > goneTime
}

func (e *Engine) forget(s *stream) {
	delete(e.byKey, s.key)
	if e.recent == s {
		e.recent = nil
	}
	e.events.push(Event{Kind: EventStreamGone, Name: s.name, Key: s.key})
}

// forgetOne makes room for another stream by forgetting one that nobody has or
// that has ended. It reports whether there was one.
func (e *Engine) forgetOne() bool {
	for i, s := range e.streams {
		if !s.active && (s.end != 0 || s.announcers() == 0) {
			e.streams = append(e.streams[:i], e.streams[i+1:]...)
			e.forget(s)
			return true
		}
	}
	return false
}

// startDelivery lets the delivery begin with the first message at or after a
// fragment.
func (s *stream) startDelivery(first fragmenter.ID) {
	if s.assembler == nil {
		return
	}
	s.assembler.Start(first)
	s.deliver()
}

// deliver hands over what is complete.
func (s *stream) deliver() {
	if s.assembler == nil || s.play == nil || s.waitsForKey() {
		return
	}
	for {
		d, ok := s.assembler.PollMessage(nil)
		if !ok {
			break
		}
		if !s.playable {
			s.playable = true
			s.e.events.push(Event{Kind: EventPlayable, Name: s.name, Key: s.key})
		}
		s.counts.messages++
		s.counts.messageBytes += uint64(d.Len())
		s.e.events.push(Event{
			Kind: EventMessage, Name: s.name, Key: s.key, Message: d.Message,
			First: d.First, Fragments: int(d.Last-d.First) + 1,
		})
	}
	if s.end != 0 && !s.done && s.assembler.Started() && s.assembler.Next() >= s.end && (s.publishing || s.e.ms.after(s.endedAt) >= endSettle) {
		s.done = true
		s.e.events.push(Event{Kind: EventEnd, Name: s.name, Key: s.key})
	}
}

// waitsForKey reports whether a joiner's first key frame is still coming. What
// comes after it waits for it: a picture is what a viewer waits for.
func (s *stream) waitsForKey() bool {
	j := &s.join
	return !s.playable && j.key != 0 && s.win.contains(j.key) && s.e.ms.after(j.placedAt) < keyPatience && !s.isWhole(j.first, j.key)
}

// expire drops what has left the window, and gives up what is missing of it.
func (s *stream) expire() {
	if s.win.live == 0 {
		return
	}
	s.giveUpDue()
	s.win.Expire(s.e.now)
	s.skipLate()
	s.abandon(s.win.live)
}

// giveUpDue gives up what is missing when the next message behind it would
// otherwise come too late. The window holds for the time since the publisher
// wrote a message. A fragment becomes known here later than that, and all that
// waits behind a hole would be late by as much.
func (s *stream) giveUpDue() {
	due := int(s.window/time.Millisecond) - s.lead() - deliverySlack
	id := max(s.win.live, s.givenUp)
	for ; id <= s.win.known && s.e.ms.after(s.win.at(id).known) >= due; id++ {
		if !s.win.Has(id) {
			s.giveUp(id, DropWindow)
		}
	}
	s.givenUp = id
	if s.nat != nil {
		s.giveUpBehind()
	}
	s.abandon(s.givenUp)
}

// giveUpBehind gives up what is missing before a message that is old by its
// timestamp. Where native multicast has gone away, what was published meanwhile
// becomes known far later than is usual.
func (s *stream) giveUpBehind() {
	if !s.clock.valid {
		return
	}
	due := float32(int(s.window/time.Millisecond) - deliverySlack)
	for id, looked := s.givenUp, 0; s.win.contains(id) && looked < scanLimit; id, looked = id+1, looked+1 {
		if !s.win.Has(id) || s.win.at(id).mark&markBegins == 0 {
			continue
		}
		b, _ := s.win.Fragment(id)
		f, err := fragmenter.ParseFragment(b)
		if err != nil || s.clock.age(s.e.ms, f.Timestamp) < due {
			return
		}
		for missing := s.givenUp; missing < id; missing++ {
			if !s.win.Has(missing) {
				s.giveUp(missing, DropWindow)
			}
		}
		s.givenUp = id + 1
	}
}

// deliverySlack is how long before its deadline what waits behind a hole is
// handed over, in milliseconds: two ticks.
const deliverySlack = 2 * tickMillis

// lead returns how long after the publisher fragments become known here, in
// milliseconds: what a slice's messages are late by, without what they are
// behind those of the quickest.
func (s *stream) lead() int {
	sum, n := float32(0), 0
	for c := range s.slices {
		if delay, known := s.lagOf(c); known && s.slices[c].samples > 0 {
			sum += delay - s.slices[c].lag
			n++
		}
	}
	if n == 0 {
		return 0
	}
	most := int(s.window/time.Millisecond) / leadShare
	return min(max(int(sum)/n, 0), most)
}

// leadShare is the part of the window that lead can be at most, inverted.
const leadShare = 4

// abandon gives up the delivery of what is missing below a fragment.
func (s *stream) abandon(live fragmenter.ID) {
	if s.assembler == nil {
		return
	}
	next := s.assembler.Next()
	s.assembler.AbandonThrough(live - 1)
	if next != 0 && next < live {
		s.e.events.push(Event{Kind: EventGap, Name: s.name, Key: s.key, First: next, Fragments: int(live - next)})
	}
	s.deliver()
}

// skipLate gives up what by its class is not waited for as long as the window
// lasts.
func (s *stream) skipLate() {
	policy := &s.e.config.Params.Policy
	if s.assembler == nil || !s.e.hasty {
		return
	}
	looked, any := 0, false
	longest := policy.LongestLife(s.window)
	for id, ok := s.win.NextMissing(s.win.live); ok && looked < scanLimit; id, ok = s.win.NextMissing(id + 1) {
		looked++
		entry := s.win.at(id)
		if entry.mark&markDead != 0 {
			continue
		}
		life := longest
		if class, known := entry.mark.class(); known {
			if life = policy.Rules[class].Lifetime; life == 0 {
				life = s.window
			}
		}
		if time.Duration(s.e.ms.after(entry.known))*time.Millisecond < life {
			continue
		}
		s.giveUp(id, DropWindow)
		s.assembler.Abandon(id)
		any = true
	}
	if any {
		s.deliver()
	}
}

// isHasty reports whether any class is given up before the window ends.
func isHasty(p *reliability.Policy) bool {
	for _, r := range p.Rules {
		if r.Lifetime > 0 {
			return true
		}
	}
	return false
}
