package overlay

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// session is an open session with a peer, as far as a group needs to know.
type session struct {
	far       netip.AddrPort
	initiator bool
	relayed   bool
	foreign   bool // as SessionInfo.Foreign
	// proofOut is what proves to the peer that this node knows the groupspec,
	// proofIn what the peer's own proof must be. Both stay the same as long as
	// the session.
	proofOut, proofIn [32]byte
}

// linkFlags are the states of a link that are either on or off.
type linkFlags uint16

const (
	linkReady     linkFlags = 1 << iota // the peer said that it is ready
	linkNearest                         // and that its receive mode is NEAREST
	linkSuspect                         // it has not answered its probes
	linkWanted                          // it fills a slot
	linkReported                        // a report has gone to it
	linkStarted                         // the last one began an exchange that is not over
	linkSaidNear                        // it was told 0f, else 0e
	linkAsked                           // and its answer is waited for
	linkListAgain                       // it is told all neighbors again, not changes
	linkNew                             // nobody has been told of it
)

// probeLadder says how patient the probes of a link are.
type probeLadder uint8

const (
	ladderNormal  probeLadder = iota
	ladderPatient             // after a false alarm
	ladderHasty               // somebody else suspects it
)

// link is a neighbor: both ends have proved that they belong to the group.
type link struct {
	session session
	// other is the ID by which members of other makes know it, if it has one.
	other PeerID
	pos   uint64
	place int // of its entry
	// circuit is the relayed circuit that its session runs through; 0 = none.
	circuit uint64
	// list is what it told of its own neighbors, sorted, and arc is how far the
	// six nearest to it in that list are spread, in upper bits; 0 if unknown.
	list []Prefix

	lastRecv reliability.Time
	probeAt  reliability.Time // when to look at it next

	arc        uint32
	caps       uint32
	since      coarse
	sentReport coarse
	askedAt    coarse // when it was last asked to leave
	keepUntil  coarse // wanted by the application until then
	patient    coarse // patient probes until then
	// requests and reports bound what it may ask of this node.
	requests, reports budget

	flags  linkFlags
	side   int8 // as LinkInfo.Side
	step   uint8
	ladder probeLadder
	silent uint8 // reports in a row that it left without an answer
}

func (l *link) is(f linkFlags) bool { return l.flags&f != 0 }

func (l *link) set(f linkFlags, on bool) {
	if on {
		l.flags |= f
	} else {
		l.flags &^= f
	}
}

// ours reports whether the neighbor speaks our extensions of the overlay.
func (l *link) ours() bool { return l.caps&CapOverlay != 0 }

// usable reports whether a link may fill a slot.
func (l *link) usable() bool { return !l.is(linkSuspect) }

// direct reports whether it may fill a slot that isn't of the ring.
func (l *link) direct() bool { return !l.is(linkSuspect) && l.circuit == 0 }

// budget bounds how often something may be asked for: some at once, then one
// each period.
type budget struct {
	left uint8
	at   coarse // when left was right
}

const (
	requestBurst, requestPeriod = 32, 500 * time.Millisecond
	reportBurst, reportPeriod   = 32, 250 * time.Millisecond
)

// spend takes one if there is any left, and reports whether there was.
func (b *budget) spend(now reliability.Time, most uint8, period time.Duration) bool {
	if back := b.at.age(now) / period; back > 0 {
		b.left = uint8(min(int64(most), int64(b.left)+int64(back)))
		b.at = coarseOf(now)
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// spendRequest is for what is rare and causes work: suspicions, circuits.
func (l *link) spendRequest(now reliability.Time) bool {
	return l.requests.spend(now, requestBurst, requestPeriod)
}

func (l *link) spendReport(now reliability.Time) bool {
	return l.reports.spend(now, reportBurst, reportPeriod)
}

// id returns the peer of a link.
func (r *Ring) id(l *link) PeerID { return r.heard.at(l.place).id }

// linkRank returns how many links have a position below pos.
func (r *Ring) linkRank(pos uint64) int {
	i, _ := slices.BinarySearchFunc(r.links, pos, func(l *link, pos uint64) int {
		if l.pos < pos {
			return -1
		}
		return 1
	})
	return i
}

// linkOf returns the link with a peer, or nil.
func (r *Ring) linkOf(id *PeerID) *link {
	if place := r.heard.find(id); place != noEntry {
		return r.heard.at(place).link
	}
	return nil
}

// info describes a link.
func (r *Ring) info(l *link) LinkInfo {
	e := r.heard.at(l.place)
	return LinkInfo{
		Peer: e.id, Addr: e.id.Address(), Far: l.session.far, Since: l.since.time(),
		Outbound: l.session.initiator, Relayed: l.session.relayed, Ready: l.is(linkReady), Nearest: l.is(linkNearest),
		Suspect: l.is(linkSuspect), Caps: uint64(l.caps) & r.caps, Side: int(l.side), RTT: time.Duration(e.rtt) * time.Microsecond,
	}
}

// Links returns all links, sorted by address. The slice is good until the next
// mutation.
func (r *Ring) Links() []LinkInfo {
	s := r.scratch
	s.links = s.links[:0]
	for _, l := range r.links {
		s.links = append(s.links, r.info(l))
	}
	return s.links
}

// Link returns the link with a peer.
func (r *Ring) Link(id PeerID) (LinkInfo, bool) {
	if l := r.linkOf(&id); l != nil {
		return r.info(l), true
	}
	return LinkInfo{}, false
}

// Heard returns how many members are in mind.
func (r *Ring) Heard() int { return r.heard.Len() }
