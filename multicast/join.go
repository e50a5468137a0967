package multicast

import "github.com/ringcast/ringcast/fragmenter"

const (
	// keyWait is for how long a joiner waits to hear of a key frame before it
	// begins with what is newest, in milliseconds.
	keyWait = 400
	// keyPatience is for how long sound waits for the first key frame.
	keyPatience = 1500
	// plainJoin is how many fragments before the newest a joiner begins whose
	// neighbors cannot tell of key frames.
	plainJoin = 48
	// mapPatience is for how long after a map that tells of newer fragments
	// nothing may come before they count as known.
	mapPatience = 300
)

// joining is how a new subscriber gets into a stream: it pulls everything from
// the newest key frame on, while the parents it asks for push what comes next.
type joining struct {
	placed  bool          // where to begin is decided
	pulling bool          // what is older than our arrival is still being pulled
	head    fragmenter.ID // the newest fragment at our arrival
	first   fragmenter.ID // where delivery begins
	key     fragmenter.ID // the last fragment of the first key frame
	since   millis        // when we first heard of any fragment
	// placedAt is when the place to begin was decided.
	placedAt millis
}

// rank orders what a joiner pulls: what it needs to begin, then sound, then
// pictures.
func (j *joining) rank(id fragmenter.ID, m mark) uint8 {
	class, known := m.class()
	switch {
	case id <= j.key:
		return 0
	case known && orderOf(class) == orderAudio:
		return 1
	}
	return 2
}

// joinAt begins the stream at the newest key frame that a neighbor told of.
func (s *stream) joinAt(p *peer) {
	j := &s.join
	if j.placed {
		return
	}
	if j.since == 0 {
		j.since = s.e.ms
	}
	switch {
	case p.key != 0 && p.keyCount > 0 && p.key <= p.last:
		s.place(p.key, p.last)
		j.key = p.key + fragmenter.ID(p.keyCount) - 1
	case s.e.ms.after(j.since) < keyWait || !p.is(peerExt):
		return
	case p.first <= beginning:
		s.place(p.first, p.last) // who was there before a stream of sound gets all of it
	default:
		s.place(p.last, p.last)
	}
	s.scan()
	s.seek()
}

// beginning is the number of a stream's first fragment, as our publishers count.
const beginning = 1

// place decides where to begin, and what is to be pulled for it.
func (s *stream) place(first, newest fragmenter.ID) {
	j := &s.join
	if s.win.known != 0 && (first > s.win.known+s.ahead() || newest+s.ahead() < s.win.known) {
		return // one of the two is not to be believed
	}
	if !s.win.Know(s.e.now, first) || !s.win.Know(s.e.now, newest) {
		return
	}
	s.givenUp = min(s.givenUp, first) // it may have been pushed to already
	j.placed, j.pulling = true, true
	j.first, j.head, j.placedAt = first, newest, s.e.ms
	for c := range s.slices {
		if sl := &s.slices[c]; sl.parent == none {
			sl.orphan = s.e.ms
		}
	}
	s.progress = s.e.ms
	s.startDelivery(first)
}

// tickJoin ends the pulling when all is there, and begins at a newer key frame
// if that is whole before the older one.
func (s *stream) tickJoin() {
	j := &s.join
	if !j.placed || !j.pulling {
		return
	}
	if k := s.keyFrame; !s.playable && j.key != 0 && k.begin > max(j.key, j.first) && !s.isWhole(j.first, j.key) {
		// A newer key frame has more time left, and is pushed to whoever has
		// parents by now. What lies before it would have to be pulled.
		first := s.setupBefore(k.begin)
		j.first, j.key, j.head = first, k.last, max(j.head, k.last)
		j.placedAt = s.e.ms
		s.startDelivery(first)
		for id, ok := s.win.NextMissing(s.win.live); ok && id < first; id, ok = s.win.NextMissing(id + 1) {
			s.giveUp(id, DropWindow)
		}
	}
	id, missing := s.win.NextMissing(max(j.first, s.win.live))
	if !missing || id > j.head {
		j.pulling = false
		j.head = 0
	}
}

// isWhole reports whether all fragments of a run are held.
func (s *stream) isWhole(first, last fragmenter.ID) bool {
	return s.win.Has(last) && s.win.RunStart(last, first) == first
}

// noteNewest hears of the newest fragment that a neighbor holds.
func (s *stream) noteNewest(id fragmenter.ID) {
	if id > s.mapNewest && (s.mapNewest == 0 || id <= s.mapNewest+s.ahead() || s.e.ms.after(s.progress) > resyncAfter) {
		s.mapNewest = id
		s.mapNewestAt = s.e.ms
	}
}

// believeMaps makes fragments known of which only maps have told for a while.
func (s *stream) believeMaps() {
	if !s.join.placed || s.mapNewest <= s.win.known || s.mapNewest > s.win.known+s.ahead() {
		return
	}
	if s.e.ms.after(s.mapNewestAt) >= mapPatience || s.e.ms.after(s.progress) >= mapPatience {
		s.win.Know(s.e.now, s.mapNewest)
	}
}
