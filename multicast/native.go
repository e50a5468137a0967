package multicast

import (
	"encoding/binary"
	"slices"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/ipm"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// Fusion of native IP multicast with what neighbors push, in milliseconds.
const (
	// nativeWait is how long a fragment that was lost on the LAN is waited for
	// before it is pulled: reordering only, since nobody sends it again there.
	nativeWait = 20
	// nativeLate is the same while nothing newer has come natively: a neighbor
	// nearer to the publisher may have told of it before it is due here.
	nativeLate = 300
	// nativeCheck is how often the share that comes natively is looked at;
	// nativeGood of all fragments over nativeProof make a stream native, and
	// nativeSilence, or less than nativeBad of them twice in a row, end it.
	// Where little is published it is silent anyway: what counts is twice the
	// longest pause of late, of which nativeGap at most is taken for one, and
	// nativeForget of which is left at each check.
	nativeCheck   = 250
	nativeProof   = 2000
	nativeSilence = 250
	nativeGap     = 1000
	nativeForget  = 0.95
	nativeGood    = 0.85
	nativeBad     = 0.6
	// nativeHeard is for how long a stream counts as multicast natively after
	// something was heard of it.
	nativeHeard = 2000
	// nativeDeclined is for how long a neighbor that has a slice natively is not
	// made a first hop of it, unless it asks.
	nativeDeclined = 60_000
	// nativeLastResort is how long a fragment must have been missed to be pulled
	// from the publisher.
	nativeLastResort = 1000
	// maxNativeOut bounds what waits to be multicast.
	maxNativeOut = 4096
)

// nativeState is a group's native multicast as its engine knows it.
type nativeState struct {
	available, relay bool
	rank             int
	out              queue[NativeOut]
	lan              []overlay.PeerID // members of the LAN, the newest last
}

// nativeStream is what a stream has to do with native multicast.
type nativeStream struct {
	election *ipm.Election
	heardAt  millis  // when a fragment or description last came, 0 never
	dataAt   millis  // when a fragment last came
	infoAt   millis  // when the publisher last described it
	wellAt   millis  // when all slices last came from neighbors
	lostAt   millis  // when native multicast last went away
	gap      float32 // the longest pause of late in what comes natively, in ms
	hasLAN   bool    // neighbors on the LAN take part
	// from is who multicasts it, fromAt when it last did.
	from   wire.Tag
	fromAt millis
	// got counts the fragments that came since checkedAt, and newest is the
	// newest of them; base is what newest was then.
	got          int
	newest, base fragmenter.ID
	checkedAt    millis
	goodSince    millis // since when enough comes, 0 if it does not
	wasBad       bool   // too little came when last looked at
	on           bool   // all slices come natively
}

// NativeOut is something to be sent by native IP multicast: a fragment as it is
// on flow GR 12, or, if that is nil, the announcement of the stream (the
// options without the type byte).
type NativeOut struct {
	Key          StreamKey
	Fragment     []byte
	Announcement []byte
	// Relayed is set by a node that passes a stream on to its LAN and does not
	// publish it.
	Relayed bool
}

// SetNative tells whether the group has native IP multicast at this node now,
// whether the node may pass streams on to its LAN that reach it otherwise, and
// how many members of the LAN come before it for that (ipm.Discovery.Below).
func (e *Engine) SetNative(now reliability.Time, available, relay bool, rank int) {
	e.enter(now)
	e.native.available, e.native.relay, e.native.rank = available, relay, rank
}

// PollNative returns the next thing to multicast natively.
func (e *Engine) PollNative() (NativeOut, bool) { return e.native.out.pop() }

func (e *Engine) nativeSend(o NativeOut) {
	if len(e.native.out.items)-e.native.out.head < maxNativeOut {
		e.native.out.push(o)
	}
}

// nativeOut multicasts a fragment that was published here, or that this node
// passes on to its LAN.
func (s *stream) nativeOut(id fragmenter.ID) {
	if !s.e.native.available || !s.publishing && !s.passesOn() {
		return
	}
	if b, ok := s.win.Fragment(id); ok {
		s.e.nativeSend(NativeOut{Key: s.key, Fragment: b})
	}
}

// describe multicasts the stream's announcement.
func (s *stream) describe() {
	b := wire.AppendAnnouncement(nil, wire.Announcement{Name: s.name, Key: s.key, StreamParams: s.params})
	s.e.nativeSend(NativeOut{Key: s.key, Announcement: b[1:], Relayed: !s.publishing})
}

func (s *stream) nativeState() *nativeStream {
	if s.nat == nil {
		s.nat = &nativeStream{checkedAt: s.e.ms}
	}
	return s.nat
}

// HandleNativeInfo takes the announcement of a stream that is multicast
// natively by the member with the tag, who passes it on or publishes it.
func (e *Engine) HandleNativeInfo(now reliability.Time, announcement []byte, relayed bool, origin [4]byte) {
	e.enter(now)
	a, err := wire.ParseAnnouncement(append([]byte{wire.TypeAnnouncement}, announcement...))
	if err != nil || a.Name == "" {
		return
	}
	s := e.byKey[a.Key]
	if s == nil {
		if len(e.streams) >= maxStreams && !e.forgetOne() {
			return
		}
		s = e.newStream(a.Key, a.Name, a.StreamParams)
		e.events.push(Event{Kind: EventStreamSeen, Name: s.name, Key: s.key, Params: s.params})
	}
	nat := s.nativeState()
	nat.heardAt = e.ms
	if nat.election != nil {
		nat.election.HandleInfo(now, ipm.Tag(binary.BigEndian.Uint32(origin[:])), relayed)
	}
	e.bind()
}

// HandleNative takes a fragment that came by native IP multicast: the first
// bytes of its stream's key, the fragment as it is on flow GR 12, and the tag
// of the member that sent it there. b is borrowed, unless
// EngineConfig.KeepMedia says otherwise.
func (e *Engine) HandleNative(now reliability.Time, keyPrefix [8]byte, b []byte, origin [4]byte) {
	e.enter(now)
	i := slices.IndexFunc(e.streams, func(s *stream) bool { return [8]byte(s.key[:8]) == keyPrefix })
	if i < 0 || !e.native.available {
		return
	}
	s := e.streams[i]
	if !s.active || s.publishing {
		return
	}
	f, err := fragmenter.ParseFragment(b)
	if err != nil {
		s.counts.malformed++
		return
	}
	nat := s.nativeState()
	if nat.dataAt != 0 {
		nat.gap = max(nat.gap, float32(min(e.ms.after(nat.dataAt), nativeGap)))
	}
	nat.heardAt, nat.dataAt = e.ms, e.ms
	s.noteNativeSender(wire.Tag(binary.BigEndian.Uint16(origin[:])))
	if !s.join.placed && !s.placeNative(&f) {
		return
	}
	if !s.admit(f.ID) {
		s.counts.outOfWindow++
		return
	}
	nat.got++
	nat.newest = max(nat.newest, f.ID)
	if s.win.Has(f.ID) {
		return // a neighbor was quicker, or it is sent to several addresses
	}
	if m := &s.win.at(f.ID).mark; *m&markPulled != 0 {
		s.endPull(f.ID)
		*m &^= markPulled
	}
	s.insert(&f, b, nil, SourceNative)
	s.observeNative(&f)
}

// placeNative begins a stream with what comes natively, where nobody tells of
// an older key frame: at the configurations before a key frame, or after a
// while anywhere.
func (s *stream) placeNative(f *fragmenter.Fragment) bool {
	j := &s.join
	if j.since == 0 {
		j.since = s.e.ms
	}
	if !f.Kind.Begins() {
		return false
	}
	switch f.Class() {
	case reliability.ClassConfig, reliability.ClassKey:
	default:
		if s.e.ms.after(j.since) < nativePatience {
			return false
		}
	}
	s.place(f.ID, f.ID)
	j.pulling = false
	return j.placed
}

// nativePatience is how long a joiner on native multicast waits for a
// configuration or key frame before it begins anywhere, in milliseconds.
const nativePatience = 3000

// observeNative follows how a native slice comes, as observe does for one that
// is pushed.
func (s *stream) observeNative(f *fragmenter.Fragment) {
	sl := &s.slices[f.ID.Slice()]
	if !sl.native {
		return
	}
	sl.ran = true
	sl.last = max(sl.last, f.ID)
	late := float32(s.e.ms.after(s.win.at(f.ID).known))
	deviation := late - sl.lag
	sl.lag += lagWeight * deviation
	sl.jitter += lagWeight * (max(deviation, -deviation) - sl.jitter)
	if class, known := s.win.at(f.ID).mark.class(); f.Kind.Begins() && !(known && class == reliability.ClassKey) {
		s.observeDelay(sl, f, false)
	}
}

// tickNative looks after what comes and goes natively.
func (e *Engine) tickNative() {
	for _, s := range e.streams {
		if !s.active {
			continue
		}
		if s.publishing {
			s.tickNativeSource()
		} else if s.nat != nil || e.native.available && e.native.relay {
			s.tickNativeReceiver()
		}
	}
}

func (s *stream) tickNativeSource() {
	if !s.e.native.available {
		return
	}
	if nat := s.nativeState(); s.e.ms.after(nat.infoAt) >= int(ipm.InfoPeriod/1e6) {
		nat.infoAt = s.e.ms
		s.describe()
	}
}

func (s *stream) tickNativeReceiver() {
	e, nat := s.e, s.nativeState()
	now := e.ms
	if nat.on && (!e.native.available || s.isSilentNatively()) {
		s.setNative(false)
	}
	if now.after(nat.checkedAt) >= nativeCheck {
		s.checkNative()
	}
	if !e.native.available || !e.native.relay {
		nat.election = nil
		return
	}
	if nat.election == nil {
		nat.election = ipm.NewElection(ipm.TagOf(e.config.Self))
	}
	nat.election.SetAble(e.now, s.couldPassOn(), e.native.rank)
	nat.election.HandleTimeout(e.now)
	if s.passesOn() {
		s.seekOutside()
	}
	if nat.election.PollInfo(e.now) {
		s.describe()
	}
}

// isSilentNatively reports whether it has been silent for longer than the stream
// pauses by itself.
func (s *stream) isSilentNatively() bool {
	return float32(s.e.ms.after(s.nat.dataAt)) > max(nativeSilence, 2*s.nat.gap)
}

// checkNative judges what share of the stream comes natively.
func (s *stream) checkNative() {
	nat := s.nat
	nat.hasLAN = false
	for i, n := range s.e.neighbors {
		nat.hasLAN = nat.hasLAN || n != nil && n.lan && s.peers[i].takesPart() && s.peers[i].relays()
	}
	if nat.on {
		s.takeNative()
	}
	nat.gap *= nativeForget
	came, all := nat.got, int(nat.newest)-int(nat.base)
	nat.checkedAt, nat.got, nat.base = s.e.ms, 0, nat.newest
	if all <= 0 {
		if s.isSilentNatively() {
			nat.goodSince = 0
		}
		return
	}
	share := float64(came) / float64(all)
	switch {
	case share < nativeBad && nat.on && !nat.wasBad:
		nat.wasBad = true // one long burst of loss
		return
	case share < nativeBad:
		nat.goodSince = 0
		if nat.on {
			s.setNative(false)
		}
	case share < nativeGood:
	case nat.goodSince == 0:
		nat.goodSince = s.e.ms
	case !nat.on && s.e.ms.after(nat.goodSince) >= nativeProof:
		s.setNative(true)
	}
	nat.wasBad = false
}

// setNative takes the slices from the neighbors that push them, or gives them
// back.
func (s *stream) setNative(on bool) {
	s.nat.on = on
	s.nat.goodSince = 0
	defer s.tellSource()
	if on {
		s.takeNative()
		return
	}
	s.nat.lostAt = s.e.ms
	for c := range s.slices {
		sl := &s.slices[c]
		if !sl.native {
			continue
		}
		sl.native = false
		s.endAsking(c)
		if !s.resume(c) {
			sl.orphan, sl.tryAt = s.e.ms, 0
		}
	}
	s.seek()
}

// tellSource tells the source how we stand, if it is a neighbor: it makes nobody
// a first hop who has the stream natively.
func (s *stream) tellSource() {
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.is(peerExt) && p.is(peerPublisher) {
			s.sendStatus(s.e.neighbors[i])
		}
	}
}

// takeNative takes the slices from the neighbors that push them, but those that
// go from here to who multicasts them: they are needed until it has found
// another parent.
func (s *stream) takeNative() {
	for c := range s.slices {
		sl := &s.slices[c]
		if sl.native || s.feedsSender(c) {
			continue
		}
		sl.native = true
		s.endAsking(c)
		above := wire.Tags{}
		if sl.parent != none {
			if s.park(c); sl.standby != none {
				above = sl.tags
			}
		}
		s.setNativeTags(c, &above)
	}
}

// declined notes at the publisher that a neighbor has stopped a slice at once,
// and reports whether it did because it has it natively. Such a neighbor is not
// made a first hop again until it asks: it would stop the slice each time, and
// be sent again what it is thought to have missed.
func (s *stream) declined(n *neighbor, c int) bool {
	if !s.e.native.available {
		return false
	}
	s.peers[n.index].refused[c] = s.e.ms + nativeDeclined
	s.source.dirty = true
	return true
}

// pullsFromSource reports whether a missing fragment of a slice may be pulled from
// the publisher: on native multicast only when it is known for so long that all
// others can be taken to have lost it.
func (sl *slice) pullsFromSource(age float32) bool { return !sl.native || age > nativeLastResort }

// isHeardNatively reports whether somebody multicasts the stream natively.
func (s *stream) isHeardNatively() bool {
	return s.nat != nil && s.nat.heardAt != 0 && s.e.ms.after(s.nat.heardAt) < nativeHeard
}
