package ipm

import (
	"math/rand/v2"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/reliability/timer"
)

// The rules by which members of a LAN find each other.
const (
	// Questions go out when a member joins and twice more.
	querySecond = time.Second
	queryThird  = 4 * time.Second
	// An answer waits up to answerDelay, and is left out when enough others
	// have answered meanwhile.
	answerDelay = 500 * time.Millisecond
	enoughInfos = 6
	// Without enough answers of others, a member tells of itself every
	// infoPeriod and up to a fifth more.
	infoPeriod = 30 * time.Second
	infoJitter = infoPeriod / 5
	// memberRate is how many datagrams about members one node sends at most in
	// a second.
	memberRate = 20
	// memberLife is how long a member counts as present after it was heard, and
	// maxMembers how many are followed.
	memberLife = 2*infoPeriod + infoJitter
	maxMembers = 256
)

type discoveryTimer uint8

const (
	timerQuery  discoveryTimer = iota // the next question; stopped after the third
	timerAnswer                       // an answer is due; stopped when enough others answered
	timerInfo                         // the end of a period; never stopped while joined
)

// Discovery decides when a member asks for others on the LAN and tells of
// itself: little, however many there are. Start it, feed it what comes
// (HandleMember) and the time (HandleTimeout), and send what PollSend says.
type Discovery struct {
	self    Tag
	rand    *rand.Rand
	timers  timer.Table[discoveryTimer]
	queries int
	infos   int // heard in this period
	answers int // heard while an answer waits
	tokens  float64
	filled  reliability.Time
	send    [2]byte
	sends   int
	members []present
	stats   DiscoveryStats
}

// present is a member that was heard.
type present struct {
	tag   Tag
	heard reliability.Time
}

// DiscoveryStats counts what was said and heard about members.
type DiscoveryStats struct {
	QueriesSent, InfosSent, QueriesHeard, InfosHeard uint64
	// Withheld is what was not sent because of the limit of 20 a second,
	// Suppressed the answers that others made unnecessary.
	Withheld, Suppressed uint64
	// Mismatched are members in datagrams that another member sent.
	Mismatched uint64
}

// NewDiscovery returns a Discovery for a node. It is silent until Start.
func NewDiscovery(self Tag, rng *rand.Rand) *Discovery { return &Discovery{self: self, rand: rng} }

// Stats returns the counters.
func (d *Discovery) Stats() DiscoveryStats { return d.stats }

// Start begins with a question. It is to be called again when the node's
// addresses have changed or it has come to another network.
func (d *Discovery) Start(now reliability.Time) {
	d.queries, d.infos = 0, 0
	d.tokens, d.filled = memberRate, now
	d.timers.Set(timerQuery, now)
	d.timers.Set(timerInfo, now.Add(infoPeriod+d.jitter(infoJitter)))
}

// Stop ends it. What was to be sent is not.
func (d *Discovery) Stop() {
	d.timers = timer.Table[discoveryTimer]{}
	d.sends = 0
}

func (d *Discovery) jitter(most time.Duration) time.Duration {
	return time.Duration(d.rand.Int64N(int64(most)))
}

// HandleMember takes a chunk of type 01 or 02 that came in a datagram of from.
// It reports whether m is to be believed: it must tell of who sent it.
func (d *Discovery) HandleMember(now reliability.Time, from Tag, kind byte, m *Member) bool {
	if TagOf(m.Peer) != from || from == d.self {
		d.stats.Mismatched++
		return false
	}
	d.note(now, from)
	if kind == TypeMemberInfo {
		d.stats.InfosHeard++
		d.infos++
		d.answers++
		if d.answers >= enoughInfos && d.timers.IsSet(timerAnswer) {
			d.timers.Stop(timerAnswer)
			d.stats.Suppressed++
		}
		return true
	}
	d.stats.QueriesHeard++
	if d.timers.Next() != reliability.Never && !d.timers.IsSet(timerAnswer) {
		d.answers = 0
		d.timers.Set(timerAnswer, now.Add(d.jitter(answerDelay)))
	}
	return true
}

func (d *Discovery) note(now reliability.Time, tag Tag) {
	oldest := 0
	for i := range d.members {
		if d.members[i].tag == tag {
			d.members[i].heard = now
			return
		}
		if d.members[i].heard < d.members[oldest].heard {
			oldest = i
		}
	}
	if len(d.members) < maxMembers {
		d.members = append(d.members, present{tag, now})
	} else {
		d.members[oldest] = present{tag, now}
	}
}

// Below returns how many members of the LAN that were heard of late have a
// lower tag than this node.
func (d *Discovery) Below(now reliability.Time) int {
	n := 0
	for _, m := range d.members {
		if m.tag < d.self && now.Sub(m.heard) < memberLife {
			n++
		}
	}
	return n
}

// HandleTimeout does what is due.
func (d *Discovery) HandleTimeout(now reliability.Time) {
	for id, ok := d.timers.PopDue(now); ok; id, ok = d.timers.PopDue(now) {
		switch id {
		case timerQuery:
			d.queue(now, TypeMemberQuery)
			switch d.queries++; d.queries {
			case 1:
				d.timers.Set(timerQuery, now.Add(querySecond))
			case 2:
				d.timers.Set(timerQuery, now.Add(queryThird-querySecond))
			}
		case timerAnswer:
			d.queue(now, TypeMemberInfo)
		case timerInfo:
			if d.infos < enoughInfos {
				d.queue(now, TypeMemberInfo)
			}
			d.infos = 0
			d.timers.Set(timerInfo, now.Add(infoPeriod+d.jitter(infoJitter)))
		}
	}
}

func (d *Discovery) queue(now reliability.Time, kind byte) {
	d.tokens = min(d.tokens+now.Sub(d.filled).Seconds()*memberRate, memberRate)
	d.filled = now
	if d.tokens < 1 || d.sends == len(d.send) {
		d.stats.Withheld++
		return
	}
	d.tokens--
	d.send[d.sends] = kind
	d.sends++
}

// PollSend returns the type of the next chunk to send, in which the node tells
// of itself, and false if there is none.
func (d *Discovery) PollSend() (kind byte, ok bool) {
	if d.sends == 0 {
		return 0, false
	}
	kind = d.send[0]
	d.sends--
	d.send[0] = d.send[1]
	if kind == TypeMemberQuery {
		d.stats.QueriesSent++
	} else {
		d.stats.InfosSent++
	}
	return kind, true
}

// PollTimeout returns when HandleTimeout has something to do, or Never.
func (d *Discovery) PollTimeout() reliability.Time { return d.timers.Next() }
