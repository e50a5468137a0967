package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// aheadSlack and aheadSeconds bound how far above the highest number known
	// a fragment may lie. A neighbor could otherwise make a stream of live
	// fragments look old by a single one.
	aheadSlack   = 512
	aheadSeconds = 4
	// resyncAfter is the silence after which any number is believed.
	resyncAfter = 2000 // ms
	// stopPause is how often one neighbor is told not to push a slice.
	stopPause = 300 // ms
	// lagWeight is the weight of one fragment in a slice's lag.
	lagWeight = 1.0 / 16
	// delayWeight is the weight of one message in a slice's delay.
	delayWeight = 1.0 / 8
)

// handleMedia takes a fragment from a neighbor.
func (s *stream) handleMedia(n *neighbor, b []byte) {
	s.counts.gotData.add(len(b))
	f, err := fragmenter.ParseFragment(b)
	if err != nil {
		s.counts.malformed++
		return
	}
	s.peers[n.index].mediaAt = s.e.ms
	if !s.active || s.publishing {
		s.counts.outOfWindow++
		return
	}
	if s.slices[f.ID.Slice()].parent == n.index {
		s.doubtEnd(f.ID)
	}
	if !s.admit(f.ID) {
		s.counts.outOfWindow++
		return
	}
	held := s.win.Has(f.ID)
	if !n.ext && s.win.at(f.ID).mark&markPulled == 0 {
		s.notePlainPush(n, f.ID, held)
	}
	if held {
		s.counts.duplicates++
		s.counts.duplicateBytes += uint64(len(b))
		if sl := &s.slices[f.ID.Slice()]; s.nat != nil && sl.parent == n.index {
			// Native multicast was quicker. The parent does its part all the
			// same: unseen it would be taken for starved, and others be asked.
			s.observe(sl, &f, n)
		}
		s.handleDuplicate(n, f.ID)
		return
	}
	how := SourcePush
	if m := &s.win.at(f.ID).mark; *m&markPulled != 0 {
		s.endPull(f.ID)
		*m &^= markPulled
		how = SourcePull
	}
	s.insert(&f, b, n, how)
}

// admit reports whether a fragment is one to take, and makes it known.
func (s *stream) admit(id fragmenter.ID) bool {
	if s.end != 0 && id >= s.end {
		return false
	}
	if s.win.known != 0 && id > s.win.known+s.ahead() {
		if s.e.ms.after(s.progress) < resyncAfter {
			return false
		}
		s.restart(id)
	}
	return s.win.Know(s.e.now, id)
}

// ahead returns how far above the highest number known one may lie.
func (s *stream) ahead() fragmenter.ID {
	return aheadSlack + aheadSeconds*fragmenter.ID(s.rates.ids)
}

// insert takes a new fragment, from a neighbor or, with none, from elsewhere:
// it is kept, passed on and delivered. It has been admitted.
func (s *stream) insert(f *fragmenter.Fragment, b []byte, from *neighbor, how Source) {
	if s.win.Insert(s.e.now, f.ID, b, how) != Inserted {
		return
	}
	s.progress = s.e.ms
	s.rates.add(len(b))
	if s.assembler != nil {
		s.assembler.Insert(f)
	}
	s.classify(f)
	fromIndex := int16(none)
	if from != nil {
		fromIndex = from.index
		if sl := &s.slices[f.ID.Slice()]; from.index == sl.parent {
			s.observe(sl, f, from)
		}
	}
	s.relay(f, fromIndex)
	if how != SourceNative {
		s.nativeOut(f.ID)
	}
	s.deliver()
}

// classify notes to which message a fragment belongs and what it is worth.
func (s *stream) classify(f *fragmenter.Fragment) {
	m := &s.win.at(f.ID).mark
	if !f.Kind.Begins() {
		if *m&markClass == 0 && s.assembler != nil {
			if class, ok := s.assembler.Class(f.ID); ok {
				m.setClass(class)
			}
		}
		return
	}
	class := f.Class()
	m.setClass(class)
	*m |= markBegins
	last := f.ID + fragmenter.ID(f.Countdown)
	if last > f.ID && s.win.Know(s.e.now, last) {
		for id := f.ID + 1; id <= last; id++ {
			s.win.at(id).mark.setClass(class)
		}
	}
	if f.ID <= s.join.head {
		s.backdate(f, last)
	}
	switch class {
	case reliability.ClassKey:
		s.videoAt = s.e.ms
		if f.ID > s.keyFrame.begin {
			s.keyFrame = keyFrame{begin: f.ID, last: last}
		}
	case reliability.ClassReference, reliability.ClassDisposable:
		s.videoAt = s.e.ms
	}
}

// backdate corrects since when fragments are known that were older than our
// arrival: they leave the window with everybody else's.
func (s *stream) backdate(f *fragmenter.Fragment, last fragmenter.ID) {
	if !s.clock.valid {
		return
	}
	age := int(s.clock.age(s.e.ms, f.Timestamp))
	if age <= 0 || age > int(s.window/time.Millisecond) {
		return
	}
	known := s.e.ms - millis(age)
	for id := f.ID; id <= last && s.win.contains(id); id++ {
		if m := s.win.at(id); m.known.after(known) > 0 {
			m.known = known
		}
	}
	for id := f.ID - 1; s.win.contains(id) && s.win.at(id).known.after(known) > 0; id-- {
		s.win.at(id).known = known
	}
}

// setupBefore returns where the run of configurations begins that stands before
// a fragment. The ones next to it come in other slices, often later: a joiner
// that began after them could show no picture until they are repeated. So what
// is still missing there counts as part of the run, and so does sound, which at
// the beginning of a stream may stand between.
func (s *stream) setupBefore(id fragmenter.ID) fragmenter.ID {
	first, missing := id, 0
	for i := id - 1; s.win.contains(i) && i >= s.win.live && id-i < setupMax && missing < sliceCount; i-- {
		m := s.win.at(i).mark
		if !s.win.Has(i) {
			if m&markDead != 0 {
				break // nobody waits for it any more
			}
			missing++
			first = i
			continue
		}
		class, known := m.class()
		if known && class == reliability.ClassAudio {
			continue
		}
		if !known || class != reliability.ClassConfig {
			break
		}
		if m&markBegins != 0 {
			first = i
		}
	}
	return first
}

// setupMax bounds the fragments before a key frame that are looked at. More
// than a second of sound does not wait for the first picture.
const setupMax = 192

// keyFrame is where the newest key frame lies.
type keyFrame struct{ begin, last fragmenter.ID }

// observe follows how the parent serves the slice: how late it is, and how far
// in each order of service.
func (s *stream) observe(sl *slice, f *fragmenter.Fragment, from *neighbor) {
	id := f.ID
	sl.ran = true
	sl.last = max(sl.last, id)
	entry := s.win.at(id)
	class, known := entry.mark.class()
	if known {
		order := orderOf(class)
		sl.newest[order] = max(sl.newest[order], id)
	}
	// A key frame comes as a burst and would make every parent look worse than
	// it is; so would what a new parent sends to catch up.
	if id < sl.handover || known && class == reliability.ClassKey {
		return
	}
	if f.Kind.Begins() {
		s.observeDelay(sl, f, from.ext)
	}
	late := float32(s.e.ms.after(entry.known))
	weight := float32(lagWeight)
	if sl.samples < 16 {
		sl.samples++
		weight = max(weight, 1/float32(sl.samples))
	}
	deviation := late - sl.lag
	sl.lag += weight * deviation
	sl.jitter += weight * (max(deviation, -deviation) - sl.jitter)
}

// observeDelay follows how long after the publisher the slice comes.
func (s *stream) observeDelay(sl *slice, f *fragmenter.Fragment, ext bool) {
	if !ext {
		s.clock.guess(s.e.ms, f.Timestamp)
	}
	if !s.clock.valid {
		return
	}
	age := s.clock.age(s.e.ms, f.Timestamp)
	if age > float32(s.window/time.Millisecond) || age < -clockStep {
		return // the timestamps have jumped
	}
	weight := float32(delayWeight)
	if sl.delaySamples < 8 {
		sl.delaySamples++
		weight = max(weight, 1/float32(sl.delaySamples))
	}
	sl.delay += weight * (max(age, 0) - sl.delay)
}

// handleDuplicate tells a neighbor to stop that pushes what it was not asked
// for.
func (s *stream) handleDuplicate(n *neighbor, id fragmenter.ID) {
	c := id.Slice()
	sl, p := &s.slices[c], &s.peers[n.index]
	if sl.parent == n.index || sl.standby == n.index || s.isAsked(c, n.index) || sl.former == n.index && id < sl.handover {
		return
	}
	if p.pulledAt != 0 && s.e.ms.after(p.pulledAt) < pullEcho {
		return // a late answer to a pull
	}
	if p.stopSent != 0 && s.e.ms.after(p.stopSent) < stopPause {
		return
	}
	p.stopSent = s.e.ms
	s.stopPushing(n, c, 0)
}

// pullEcho is for how long after a pull its answer may still come.
const pullEcho = 2000 // ms

// relay passes a fragment on to the children of its slice.
func (s *stream) relay(f *fragmenter.Fragment, from int16) {
	sl := &s.slices[f.ID.Slice()]
	if len(sl.children) == 0 {
		return
	}
	b, _ := s.win.Fragment(f.ID)
	entry := s.win.at(f.ID)
	class := guessClass(f, entry.mark)
	for i := range sl.children {
		ch := &sl.children[i]
		if ch.index == from || !ch.wants(f.ID) {
			continue
		}
		if ch.plain && !s.peers[ch.index].plain.mask.Wants(f.ID) {
			continue
		}
		s.push(ch, f.ID, b, class, entry.known)
	}
}

// guessClass returns the class of a fragment's message, as well as it is known.
// Of a message whose beginning has not come, one of many fragments is taken for
// a key frame.
func guessClass(f *fragmenter.Fragment, m mark) reliability.Class {
	if class, ok := m.class(); ok {
		return class
	}
	if int(f.Countdown) > keyGuess {
		return reliability.ClassKey
	}
	return reliability.ClassReference
}

// keyGuess is how many fragments a message that is not a key frame rarely has.
const keyGuess = 12

func (ch *child) wants(id fragmenter.ID) bool {
	return id >= ch.start && (ch.stop == 0 || id < ch.stop)
}

// push queues a fragment for a child.
func (s *stream) push(ch *child, id fragmenter.ID, b []byte, class reliability.Class, known millis) {
	to := reliability.ReceiverLeaf
	switch {
	case ch.partial:
		to = reliability.ReceiverLeftover
	case ch.value > 0:
		to = reliability.ReceiverRelay
	}
	policy := &s.e.config.Params.Policy
	since := s.e.now.Add(-time.Duration(s.e.ms.after(known)) * time.Millisecond)
	priority, deadline := policy.Sending(class, to, s.e.now, since, s.window)
	n := s.e.neighbors[ch.index]
	s.e.config.Uplink.Push(s.e.now, Packet{
		Flow: overlay.FlowMedia, Class: uint8(priority), Data: b, Deadline: deadline, Value: float32(ch.value) / 4,
		NoRetransmit: !policy.Rules[class].Retransmit,
		port:         n.port, owner: s.owner, id: id, media: class,
	})
}

// windowEnd returns when a fragment leaves the window.
func (s *stream) windowEnd(known millis) reliability.Time {
	return s.e.now.Add(s.window - time.Duration(s.e.ms.after(known))*time.Millisecond)
}

// restart forgets all fragments, after the stream has jumped.
func (s *stream) restart(first fragmenter.ID) {
	s.pulls = s.pulls[:0]
	s.win = s.e.newWindow(s)
	s.keyFrame, s.mapNewest, s.givenUp = keyFrame{}, 0, 0
	for c := range s.slices {
		sl := &s.slices[c]
		sl.last, sl.handover, sl.newest = 0, 0, [orderCount]fragmenter.ID{}
		for i := range sl.children {
			if ch := &sl.children[i]; !ch.isParked() {
				ch.start, ch.stop = 0, 0
			}
		}
	}
	if s.assembler != nil {
		s.assembler = s.newAssembler()
		s.startDelivery(first)
	}
}
