package swarm

import (
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// nativeEnd is a member's part in native multicast: whether it has any, and the
// state of its way from the network.
type nativeEnd struct {
	on   bool
	bad  bool // in a spell of loss
	last reliability.Time
}

// nativeOverhead is what a fragment costs on native multicast beside itself: IP
// and UDP headers, tag, sequence, authentication and the stream's key. No
// session has to be named there.
const nativeOverhead = 66

// nativeBooks count what native multicast brought to those who have it, in
// bytes of payload, while the ledger is on.
type nativeBooks struct {
	came, lost         uint64 // that were sent, to each of them
	repair, fromSource uint64 // that came from neighbors, from the publisher of these

	tag [4]byte // of the publisher, who alone sends there
}

// sender returns the publisher's tag.
func (b *nativeBooks) sender(source *Node) [4]byte {
	if b.tag == [4]byte{} {
		address := source.ID.Address()
		b.tag = [4]byte(address[:4])
	}
	return b.tag
}

// hasNative reports whether native multicast reaches a node: the publisher, and
// a share of the members.
func (s *Sim) hasNative(n *Node) bool {
	return s.sc.Native > 0 && (n == s.ledger.source || unit(scramble(s.net.seed^scramble(uint64(uint32(n.index))+991))) < s.sc.Native)
}

// pollNative multicasts what the core has for it.
func (c *memberCore) pollNative(n *Node) {
	for out, ok := c.PollNative(); ok; out, ok = c.PollNative() {
		n.multicast(&out)
	}
}

// multicast sends something by native multicast: it takes the sender's line
// once, and each member that listens loses it or not by itself.
func (n *Node) multicast(out *multicast.NativeOut) {
	s := n.sim
	content := out.Fragment
	if content == nil {
		content = out.Announcement
	}
	p := &packet{kind: kindNative, flow: overlay.FlowMedia, key: s.keyNumber(out.Key), data: content, deadline: reliability.Never}
	p.size = int32(len(content) + nativeOverhead)
	p.listed = out.Fragment == nil // an announcement
	n.depart(p)
	n.Core.Charge(s.now, int(p.size))
	if out.Fragment != nil {
		s.ledger.checkSend(n, p)
		payload := len(content) - fragmentHead(content)
		s.ledger.spent(n, payload, bytesPayload)
		s.ledger.spent(n, int(p.size)-payload, bytesFraming)
	} else {
		s.ledger.spent(n, int(p.size), bytesStream)
	}
	for _, to := range s.nodes {
		if !to.native.on || to.Core == nil || to == n || to.island != n.island {
			continue
		}
		if p.departs < s.nativeDown || s.net.losesNative(&to.native, p.departs) {
			s.ledger.lostNatively(to, p)
			continue
		}
		s.events.Push(p.departs.Add(s.latency(n.place, to.place)), event{p: p, node: to.index})
	}
}

// losesNative decides the fate of a packet on a member's way from the network,
// which has spells of loss as the ways between members have.
func (w *network) losesNative(e *nativeEnd, now reliability.Time) bool {
	if w.loss > 0 && w.float() < w.loss {
		return true
	}
	p := w.sc.NativeLoss
	gap := now.Sub(e.last)
	e.last = now
	switch {
	case p <= 0:
		e.bad = false
	case gap > spell:
		e.bad = w.float() < p
	case e.bad:
		e.bad = w.float() >= w.toGood
	default:
		e.bad = w.float() < w.toGood*p/(1-p)
	}
	return e.bad
}

// arriveNative hands a member what came by native multicast.
func (s *Sim) arriveNative(p *packet, to *Node) {
	switch {
	case to.Core == nil:
		return
	case to.frozen > s.now:
		return // its socket's buffer is full by then
	}
	s.mix(uint64(s.now))
	s.mix(uint64(to.index)<<40 | uint64(p.kind)<<32 | uint64(uint32(p.size)))
	key := s.key(p.key)
	c := to.Core.(*memberCore)
	tag := s.ledger.native.sender(s.ledger.source)
	if p.listed {
		c.HandleNativeInfo(s.now, p.data, false, tag)
	} else {
		s.ledger.cameNatively(to, p)
		c.scope = scopeStreams
		c.Engine().HandleNative(s.now, [8]byte(key[:8]), p.data, tag)
	}
	to.settle()
}

// cameNatively books a fragment that came by native multicast.
func (l *ledger) cameNatively(to *Node, p *packet) {
	id, ok := fragmentID(p.data)
	if !ok || to.View == nil {
		return
	}
	payload := uint64(len(p.data) - fragmentHead(p.data))
	l.media.checkFragment(l.sim, to, id, p.data)
	first := to.View.fragment(id)
	if first {
		to.View.from(l.source, id)
	}
	if !l.on {
		return
	}
	l.native.came += payload
	if first {
		l.useful += payload
	} else {
		l.duplicate += payload
	}
}

func (l *ledger) lostNatively(to *Node, p *packet) {
	if l.on && !p.listed && to.View != nil && to.View.first >= 0 {
		l.native.lost += uint64(len(p.data) - fragmentHead(p.data))
	}
}

// repaired books what a neighbor sent to a member that has native multicast.
func (l *ledger) repaired(from, to *Node, payload uint64) {
	if !l.on || !to.native.on {
		return
	}
	l.native.repair += payload
	if from == l.source {
		l.native.fromSource += payload
	}
}

// fusion measures a group of which a part has native multicast, and then what
// happens when that goes away.
func (r *run) fusion() error {
	sc := *r.sc
	const cut = 10 * time.Second
	total := sc.Total() + cut + sc.Window
	share := func(d time.Duration) float64 { return d.Seconds() / total.Seconds() }
	var s *Sim
	err := r.part(share(sc.Total()), func() (err error) {
		s, err = r.playMedia(&sc)
		return err
	})
	if err != nil {
		return err
	}
	m := r.report.Metrics
	r.mediaFigures(s, m)
	r.mediaPictures(s)
	r.groupPictures(s)
	r.nativeFigures(s, m)
	before := s.shares()
	s.nativeDown = s.now.Add(time.Hour)
	if err := r.pass(s, cut+sc.Window, share(cut+sc.Window), "without native multicast"); err != nil {
		return err
	}
	free, delivered := s.stallFree(before)
	m["stall_free"] = free
	r.report.note("Without it they got %s of these messages in time.", FormatMetric("delivery", delivered))
	r.finish(s)
	return nil
}

// nativeFigures compares what neighbors sent to members with native multicast
// with what those had lost.
func (r *run) nativeFigures(s *Sim, m Metrics) {
	b := &s.ledger.native
	if b.lost > 0 {
		m["repair_ratio"] = float64(b.repair) / float64(b.lost)
		m["repair_from_source"] = float64(b.fromSource) / float64(b.lost)
	}
	members := 0
	for _, n := range s.nodes {
		if n.Core != nil && n.native.on && n != s.ledger.source {
			members++
		}
	}
	r.report.note("%d members have native multicast; %.3g %% of what was sent to them there got lost. Then it goes away for all: stall_free is the share of them that had every message of the next 10 s, and of the %v before, in time.",
		members, 100*float64(b.lost)/float64(max(b.came+b.lost, 1)), s.sc.Window)
}

// shares returns what was due and delivered at each member that has native
// multicast and plays.
func (s *Sim) shares() map[*view][2]uint64 {
	list := make(map[*view][2]uint64)
	for _, v := range s.views() {
		if v.node.native.on && v.node.Core != nil && v.first >= 0 {
			delivered, due := v.share()
			list[v] = [2]uint64{delivered, due}
		}
	}
	return list
}

// stallFree returns the share of members that missed nothing since then, and
// what share of all messages they got. Those that have left since count by what
// they had.
func (s *Sim) stallFree(since map[*view][2]uint64) (free, delivered float64) {
	var got, all uint64
	for _, v := range s.views() {
		was, ok := since[v]
		if !ok {
			continue
		}
		d, due := v.share()
		got, all = got+d-was[0], all+due-was[1]
		if due-was[1] == d-was[0] {
			free += 1 / float64(len(since))
		}
	}
	return free, float64(got) / float64(max(all, 1))
}
