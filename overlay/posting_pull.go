package overlay

import (
	"bytes"
	"slices"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// handleHave notes that a neighbor has a post.
func (p *Posting) handleHave(now reliability.Time, l *postLink, key owire.PostKey) {
	p.stats.KeysReceived++
	if !l.haves.take(now, 1, haveRate) {
		p.stats.Flooded++
		return
	}
	k := p.keys[key]
	if k == nil {
		if l.names >= maxNames || !l.news.take(now, 1, newsRate) {
			p.stats.Flooded++
			return
		}
		k = p.key(now, key)
		k.first = l
		l.names++
		p.names++
		p.wait(now, k)
		p.bound(now)
	}
	k.told.add(l.number)
	if k.post != nil {
		k.post.taken = true
	}
	if k.proved || len(k.from) >= maxAnnouncers || slices.Contains(k.from, l) {
		return
	}
	k.from = append(k.from, l)
	p.ask(now, k)
}

// wait lists a key among those that are waited for.
func (p *Posting) wait(now reliability.Time, k *postKey) {
	if !k.waiting {
		k.waiting = true
		p.waiting = append(p.waiting, k)
		p.askAt = min(p.askAt, now.Add(waitingAge))
	}
}

// waited notes that a key is not waited for any more.
func (p *Posting) waited(k *postKey) {
	k.waiting = false
	k.asked = nil
	p.named(k)
}

// named notes that a key is not a mere name any more.
func (p *Posting) named(k *postKey) {
	if k.first != nil {
		k.first.names--
		p.names--
		k.first = nil
	}
}

// ask asks a neighbor for a post, unless an answer is waited for already.
func (p *Posting) ask(now reliability.Time, k *postKey) {
	if k.asked != nil || k.proved || int(k.tried-k.wrong) >= p.p.Attempts {
		return
	}
	best := -1
	for i := int(k.tried); i < len(k.from); i++ {
		switch l := k.from[i]; {
		case len(l.asked) >= maxAskedOf:
			l.more = true
		case best < 0 || isBetterSource(l, k.from[best]):
			best = i
		}
	}
	if best < 0 {
		return
	}
	// Those that were asked come first.
	l := k.from[best]
	k.from[best], k.from[k.tried] = k.from[k.tried], l
	p.stats.Asked++
	if k.tried > 0 && k.post == nil {
		p.stats.AskedAgain++
	}
	k.tried++
	k.asked, k.until = l, now.Add(answerTime(p.tr, l.Peer, p.p.Patience))
	p.askAt = min(p.askAt, k.until)
	l.asked = append(l.asked, k.key)
	l.asks = append(l.asks, k.key)
	p.wait(now, k)
}

// isBetterSource orders announcers of the same key; among equals the first one
// stays.
func isBetterSource(a, b *postLink) bool {
	switch {
	case a.Suspect != b.Suspect:
		return b.Suspect
	case (a.silent > 1) != (b.silent > 1):
		return b.silent > 1
	}
	return b.Relayed && !a.Relayed
}

// sendAsks sends what ask has decided.
func (p *Posting) sendAsks() {
	for _, l := range p.links {
		if len(l.asks) > 0 {
			p.sendKeys(l, l.asks, owire.AppendPostWant)
			p.stats.KeysSent -= uint64(len(l.asks)) // those are counted as asked
			l.asks = l.asks[:0]
		}
	}
}

// askWaiting asks for whatever is waited for and can be asked of somebody.
func (p *Posting) askWaiting(now reliability.Time) {
	for _, k := range p.waiting {
		p.ask(now, k)
	}
}

// giveUp ends the wait for answers that did not come, and for posts that nobody
// has.
func (p *Posting) giveUp(now reliability.Time) {
	p.askAt = reliability.Never
	p.waiting = slices.DeleteFunc(p.waiting, func(k *postKey) bool {
		if k.asked != nil && k.until <= now {
			k.asked.silent++
			k.asked = nil
		}
		if end := k.heard.Add(waitingAge); now < end {
			p.askAt = min(p.askAt, end)
			if k.asked != nil {
				p.askAt = min(p.askAt, k.until)
			}
			return false
		}
		p.waited(k)
		if k.post == nil {
			// It is not remembered: names alone must not crowd out posts.
			p.stats.GivenUp++
			if p.keys[k.key] == k {
				delete(p.keys, k.key)
			}
		}
		return true
	})
	if p.order.len() > 2*len(p.keys)+64 {
		p.order.filter(func(k *postKey) bool { return p.keys[k.key] == k })
	}
}

// handleValue takes a post of a neighbor.
func (p *Posting) handleValue(now reliability.Time, l *postLink, b []byte) {
	p.stats.DataBytesReceived += uint64(len(b))
	if owire.CheckPost(b) != nil {
		p.stats.Malformed++
		return
	}
	id := owire.NewPostID(b)
	k := p.answers(l, id)
	if k == nil {
		if p.posts[id] != nil {
			p.stats.Duplicates++
		} else {
			p.stats.Unasked++
		}
		return
	}
	l.silent = 0
	if k.asked == l {
		k.asked = nil
	}
	if k.proved {
		p.stats.Duplicates++
	} else {
		p.accept(now, l, k, id, b)
	}
	if l.more && len(l.asked) < maxAskedOf/2 {
		l.more = false
		p.askWaiting(now)
	}
}

// answers finds the key that a post answers and takes it from those asked of
// the neighbor: the one made of its hash, else the oldest.
func (p *Posting) answers(l *postLink, id PostID) *postKey {
	if i := slices.Index(l.asked, id.Key()); i >= 0 {
		l.asked = slices.Delete(l.asked, i, i+1)
		return p.keys[id.Key()]
	}
	for len(l.asked) > 0 {
		k := p.keys[l.asked[0]]
		l.asked = slices.Delete(l.asked, 0, 1)
		if k != nil {
			return k
		}
	}
	return nil
}

// accept takes a post that was asked for under a key.
func (p *Posting) accept(now reliability.Time, l *postLink, k *postKey, id PostID, b []byte) {
	v := p.posts[id]
	isNew := v == nil
	if isNew {
		v = p.keep(now, id, bytes.Clone(b))
		p.stats.Received++
		p.arrived(now)
		p.events.push(PostEvent{ID: id, Value: v.value, From: l.Peer})
	} else if k.post != v {
		p.stats.Duplicates++ // the same post under another key
	}
	k.judge(l, v)
	p.named(k)
	if k.proved {
		p.waited(k)
		p.waiting = slices.DeleteFunc(p.waiting, func(o *postKey) bool { return o == k })
	} else {
		p.ask(now, k)
	}
	if isNew {
		// A post that is known by another key has been told under that one:
		// otherwise names could be made up for it without end.
		p.tellSoon(now, k)
	}
	p.bound(now)
}

// judge decides whether a post that came under a key is the one that belongs to
// it.
func (k *postKey) judge(l *postLink, v *post) {
	enough := uint8(agreedOwn)
	if l.Foreign {
		enough = agreedForeign
	}
	switch {
	case k.key == v.id.Key():
		k.post, k.proved = v, true
	case k.post == nil || k.post == v:
		k.post = v
		k.agreed++
		k.proved = k.agreed >= enough
	default:
		k.wrong++
	}
}
