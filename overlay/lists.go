package overlay

import (
	"cmp"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// Prefix is what a neighbor tells of one of its own neighbors: the upper bits of
// its address, and in the lowest two bits whether it is ready for messages to
// addresses near it and whether the two are linked through another member.
type Prefix uint32

const (
	prefixReady   Prefix = 1
	prefixRelayed Prefix = 2
	prefixFlags   Prefix = 3
)

// Top returns the upper 64 bits of the address, of which only 30 are known; the
// others are 0.
func (p Prefix) Top() uint64 { return uint64(p&^prefixFlags) << 32 }

// IsReady reports whether the member takes messages for addresses near its own.
func (p Prefix) IsReady() bool { return p&prefixReady != 0 }

// IsRelayed reports whether it is linked through another member.
func (p Prefix) IsRelayed() bool { return p&prefixRelayed != 0 }

// place returns the part that names the member.
func (p Prefix) place() Prefix { return p &^ prefixFlags }

func comparePlaces(a, b Prefix) int { return cmp.Compare(a.place(), b.place()) }

func prefixAt(pos uint64) Prefix { return Prefix(pos>>32) &^ prefixFlags }

const (
	// maxList is how many neighbors of one neighbor are kept in mind.
	maxList = 128
	// listDelay lets several changes go out as one, listDelayFar those of links
	// that are none of the ring.
	listDelay    = 2 * time.Second
	listDelayFar = 10 * time.Second
)

// NeighborsOf returns whom a neighbor has told to be linked with, sorted by
// address. It is nil if the neighbor has not told or is none. The slice is good
// until the next mutation.
func (r *Ring) NeighborsOf(id PeerID) []Prefix {
	if l := r.linkOf(&id); l != nil && l.usable() {
		return l.list
	}
	return nil
}

// prefix describes a link for a list.
func (l *link) prefix() Prefix {
	p := prefixAt(l.pos)
	if l.is(linkNearest) {
		p |= prefixReady
	}
	if l.circuit != 0 {
		p |= prefixRelayed
	}
	return p
}

// ownList describes all usable links, sorted. The result is good until the next
// call.
func (r *Ring) ownList() []Prefix {
	list := r.scratch.list[:0]
	for _, l := range r.links {
		if l.usable() {
			list = append(list, l.prefix())
		}
	}
	r.scratch.list = list
	return list
}

func (p Prefix) entry(removed bool) owire.Neighbor {
	return owire.Neighbor{Prefix: p.Top(), Ready: p.IsReady(), Relayed: p.IsRelayed(), Removed: removed}
}

// tellList tells a new neighbor of all others. If changes wait to be told that
// are in the list already, it gets another one then: they may be undone until
// then, and nobody would tell it.
func (r *Ring) tellList(l *link) {
	l.set(linkListAgain, r.timers[timerLists] != reliability.Never)
	m := owire.Neighbors{}
	for _, p := range r.ownList() {
		if p.place() != prefixAt(l.pos) {
			m.List = append(m.List, p.entry(false))
		}
	}
	r.send(r.id(l), FlowOverlay, owire.AppendNeighbors(nil, m))
}

// listsChanged has the neighbors told in a moment that a link came, went or
// changed, and not quite so soon if it is none of the ring: those change most
// often, and little depends on them.
func (r *Ring) listsChanged(now reliability.Time, l *link) {
	if r.caps&CapOverlay == 0 {
		return
	}
	delay := listDelay
	if l.side == 0 && !l.is(linkSuspect) && now.Sub(r.started) > youngAge {
		delay = listDelayFar
	}
	r.hastenTimer(timerLists, now.Add(delay))
}

// tellChanges tells the neighbors what has changed since the last time.
func (r *Ring) tellChanges() {
	list := r.ownList()
	m := owire.Neighbors{Changes: true}
	old := r.sent
	for i, j := 0, 0; i < len(list) || j < len(old); {
		switch {
		case j == len(old) || i < len(list) && list[i].place() < old[j].place():
			m.List = append(m.List, list[i].entry(false))
			i++
		case i == len(list) || old[j].place() < list[i].place():
			m.List = append(m.List, old[j].entry(true))
			j++
		default:
			if list[i] != old[j] {
				m.List = append(m.List, list[i].entry(false))
			}
			i++
			j++
		}
	}
	r.sent = append(r.sent[:0], list...)
	var b []byte
	for _, l := range r.links {
		switch {
		case !l.ours():
		case l.is(linkListAgain):
			r.tellList(l)
		case len(m.List) > 0:
			if b == nil {
				b = owire.AppendNeighbors(nil, m)
			}
			r.send(r.id(l), FlowOverlay, b)
		}
	}
}

// handleOverlay takes a message on a neighbor's extension flow.
func (r *Ring) handleOverlay(now reliability.Time, l *link, b []byte) {
	switch b[0] {
	case owire.TypeNeighbors:
		r.handleNeighbors(now, l, b)
	case owire.TypeSuspect:
		r.handleSuspect(now, l, b)
	case owire.TypeRefuse:
		r.handleExpelled(now, l, b)
	case owire.TypeRelayOpen:
		r.handleRelayOpen(now, l, b)
	case owire.TypeRelayData:
		r.handleRelayData(now, l, b)
	case owire.TypeRelayClose:
		r.handleRelayClose(now, l, b)
	}
}

// handleNeighbors notes whom a neighbor is linked with.
func (r *Ring) handleNeighbors(now reliability.Time, l *link, b []byte) {
	m, err := owire.ParseNeighbors(b)
	if err != nil {
		r.stats.Malformed++
		return
	}
	if !l.spendReport(now) {
		r.stats.Flooded++
		return
	}
	if !m.Changes {
		l.list = make([]Prefix, 0, min(maxList, len(m.List)+4))
	}
	for _, n := range m.List {
		p := prefixAt(n.Prefix)
		i, known := slices.BinarySearchFunc(l.list, p, comparePlaces)
		if n.Ready {
			p |= prefixReady
		}
		if n.Relayed {
			p |= prefixRelayed
		}
		switch {
		case n.Removed && known:
			l.list = slices.Delete(l.list, i, i+1)
		case n.Removed:
		case known:
			l.list[i] = p
		case len(l.list) < maxList:
			if len(l.list) == cap(l.list) {
				l.list = growBy(l.list, 6, maxList)
			}
			l.list = slices.Insert(l.list, i, p)
		}
	}
	l.arc = arcAround(l.list, l.pos)
}

// arcAround returns how far the six members of a list nearest to pos are spread,
// the upper 32 bits of it; 0 if the list is shorter.
func arcAround(list []Prefix, pos uint64) uint32 {
	n := len(list)
	if n < 2*ringSide {
		return 0
	}
	own := prefixAt(pos)
	i, _ := slices.BinarySearchFunc(list, own, comparePlaces)
	up, down := list[(i+ringSide-1)%n], list[(i-ringSide+n)%n]
	return uint32(up.place() - down.place())
}

// listing says how a member is found in a neighbor's list.
type listing uint8

const (
	notListed listing = iota
	listedRelayed
	listedDirect
)

// listHas looks for a member in a neighbor's list.
func listHas(list []Prefix, pos uint64) listing {
	i, known := slices.BinarySearchFunc(list, prefixAt(pos), comparePlaces)
	switch {
	case !known:
		return notListed
	case list[i].IsRelayed():
		return listedRelayed
	}
	return listedDirect
}

// isListed reports whether some neighbor is linked with a member.
func (r *Ring) isListed(pos uint64) bool {
	for _, l := range r.links {
		if l.usable() && listHas(l.list, pos) != notListed {
			return true
		}
	}
	return false
}

// handleExpelled takes a neighbor's word that it has no room any more.
func (r *Ring) handleExpelled(now reliability.Time, l *link, b []byte) {
	m, err := owire.ParseRefuse(b)
	if err != nil {
		r.stats.Malformed++
		return
	}
	id := r.id(l)
	r.merge(now, &id, m.Others)
	r.stats.RefusedByOthers++
	r.unlink(now, l, causeRefused)
	r.act(Action{Kind: ActionRelease, Peer: id})
}
