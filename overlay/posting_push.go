package overlay

import (
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// tellSoon has the neighbors told of a key in a moment.
func (p *Posting) tellSoon(now reliability.Time, k *postKey) {
	p.fresh = append(p.fresh, k)
	wait := p.p.Coalesce
	if p.busy {
		wait = p.p.BusyCoalesce
	}
	p.tellAt = min(p.tellAt, now.Add(wait))
}

// mayGo reports whether a key is worth telling a link: its far end doesn't
// know it, and its post can go there.
func (p *Posting) mayGo(l *postLink, k *postKey) bool {
	return !k.told.has(l.number) && !(l.Relayed && len(k.post.value) > relayedLen)
}

// tell tells neighbors of the new keys.
func (p *Posting) tell(now reliability.Time) {
	p.tellAt = reliability.Never
	if p.busy {
		p.choose(now)
	}
	var keys []owire.PostKey
	for _, l := range p.links {
		if p.busy && !l.chosen && !p.isRing(l) {
			continue
		}
		keys = keys[:0]
		for _, k := range p.fresh {
			if k.post.value != nil && p.mayGo(l, k) {
				k.told.add(l.number)
				keys = append(keys, k.key)
			}
		}
		p.sendKeys(l, keys, owire.AppendPostHave)
	}
	p.fresh = reuse(p.fresh)
}

// isRing reports whether a link is one of the ring neighbors that are told of
// keys in any case.
func (p *Posting) isRing(l *postLink) bool {
	side := int(max(l.Side, -l.Side))
	return side != 0 && side <= p.p.BusyRing/2
}

// choose chooses the links besides ring neighbors that are told of keys in a
// busy group. They stay the same for a while, so that what spreads along them
// finds no holes made by the change.
func (p *Posting) choose(now reliability.Time) {
	again := now.Sub(p.chosenAt) >= p.p.BusyKeep || p.chosenAt == 0
	if again {
		p.chosenAt = now
	}
	chosen := 0
	var others []*postLink
	for _, l := range p.links {
		if again || p.isRing(l) {
			l.chosen = false
		}
		switch {
		case p.isRing(l):
		case l.chosen && !l.Suspect:
			chosen++
		default:
			l.chosen = false
			if !l.Suspect {
				others = append(others, l)
			}
		}
	}
	p.rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for _, l := range others[:min(len(others), max(p.p.BusyRandom-chosen, 0))] {
		l.chosen = true
	}
}

// sendKeys sends keys to a neighbor: one in each message to those of other
// makes, which expect it, and many together to our own.
func (p *Posting) sendKeys(l *postLink, keys []owire.PostKey, write func([]byte, ...owire.PostKey) []byte) {
	most := 1
	if !l.Foreign {
		most = owire.MaxPostKeys
	}
	p.stats.KeysSent += uint64(len(keys))
	for len(keys) > 0 {
		n := min(most, len(keys))
		b := write(nil, keys[:n]...)
		p.stats.KeyBytesSent += uint64(len(b))
		p.sends.push(Send{l.Peer, FlowPostKeys, b})
		keys = keys[n:]
	}
}

// handleWant answers a neighbor that asks for a post.
func (p *Posting) handleWant(now reliability.Time, l *postLink, key owire.PostKey) {
	if !l.wants.take(now, 1, wantRate) {
		p.stats.Flooded++
		return
	}
	k := p.keys[key]
	if k == nil || k.post == nil || k.post.value == nil {
		return // not kept any more; it will ask another one
	}
	value := k.post.value
	if l.Relayed && len(value) > relayedLen {
		return
	}
	if waits, _ := p.tr.Backlog(l.Peer); waits > postBacklog || !l.served.take(now, float64(len(value)), servedRate) {
		p.stats.Flooded++
		return
	}
	k.told.add(l.number)
	k.post.taken = true
	p.stats.DataBytesSent += uint64(len(value))
	p.sends.push(Send{l.Peer, FlowPostValues, value})
}
