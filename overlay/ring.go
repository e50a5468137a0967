package overlay

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// RingConfig says which group a Ring is of and what it runs on.
type RingConfig struct {
	// Self is this node. Alias, if set, is another ID that it answers to: members
	// of other makes know it by a certificate that they can use.
	Self, Alias PeerID
	// Spec is the group.
	Spec   *groupspec.Spec
	Params RingParams
	// Rand makes choices among members.
	Rand *rand.Rand
	// Transport answers questions about sessions.
	Transport Transport
	// Caps are the capability bits that this node announces; 0 speaks the plain
	// protocol only. RequireCaps refuses members that don't announce CapOverlay.
	Caps        uint64
	RequireCaps bool
	// InUse, if set, tells whether a link carries what the application needs
	// now, such as a part of a stream. Such links are not let go for lack of a
	// slot while there are others.
	InUse func(PeerID) bool
	// Scratch, if set, is working memory that a program which runs thousands of
	// rings on one goroutine shares among them. Each ring must then be drained
	// before another one is touched.
	Scratch *Scratch
}

// Scratch is working memory of a Ring between a mutation and the end of its
// draining; nothing in it lasts.
type Scratch struct {
	actions outbox[Action]
	events  outbox[Event]

	links     []LinkInfo
	entries   []owire.Entry
	foreign   bool // the report being composed is for a member of another make
	addrs     []wire.Address
	own       []wire.Address
	bytes     []byte
	places    []uint16
	skip      int
	nearest   []rttOf
	arcs      []float64
	list      []Prefix
	marks     [maxHeard / 64]uint64
	providers providers
	report    owire.Report
}

// RingStats count what a Ring has done and what was done to it.
type RingStats struct {
	ReportsSent, ReportsReceived uint64
	Dials, RingDials             uint64 // attempts at sessions
	DialsFailed, Unreachable     uint64
	Accepted, Refused            uint64 // members that asked to be neighbors
	RefusedByOthers              uint64
	DisconnectsAsked             uint64
	DisconnectsGranted           uint64
	Pings                        uint64
	Suspected, FalseAlarms       uint64
	Buried                       uint64 // neighbors that never answered again
	MassFailures                 uint64
	CircuitsOpened               uint64 // as an end
	CircuitsRelayed              uint64 // for others
	RelayedBytes, RelayDropped   uint64
	Rejoins                      uint64

	// What others sent in error or in bad faith.
	BadProofs      uint64 // wrong or replayed proofs, wrong group or receiver
	Malformed      uint64 // messages that can't be read
	Flooded        uint64 // messages beyond what a neighbor may send
	NamesIgnored   uint64 // of informers whose names turned out to be false
	NamesOverLimit uint64 // beyond a limit of the list
	AddrsWithheld  uint64 // addresses not dialed, to protect their owners
}

// ringTimer names the timers of a Ring that exist once.
type ringTimer uint8

const (
	timerRecompute  ringTimer = iota // compute slots; set by whatever changes them
	timerRingReport                  // send the ring part of a report
	timerGossip                      // begin an exchange
	timerLists                       // tell changes of the neighbors
	timerSweep                       // drop old entries
	timerRejoin                      // ask the introducer again
	timerMemory                      // dial a member remembered from before
	timerReady                       // ready even without the nearest neighbors
	timerCount
)

// Ring keeps a node linked with the members of a group that it should be linked
// with: neighbors on the ring, members at halves, quarters and so on of it, near
// ones and random ones. See the package comment for the law of use.
//
// Slots are filled by links, never by names: a name that was only heard of is a
// reason to dial, and nothing proved is given up for it.
type Ring struct {
	self    PeerID
	alias   PeerID // another ID of this node, or zero
	addr    Address
	pos     uint64
	p       RingParams
	caps    uint64
	require bool
	rand    *rand.Rand
	tr      Transport
	used    func(PeerID) bool // RingConfig.InUse
	group   [32]byte
	key     string // identity text of the groupspec

	heard     heard
	links     []*link // sorted by position
	pending   []*pending
	dials     []dial
	circuits  []circuit
	informers []informer
	dialed    []dialedAddr
	own       []wire.Address // as set
	observed  []wire.Address // as neighbors see this node

	up, down [ringSide]*link // nearest first; nil where missing
	random   [randomSlots]randomSlot
	// sent is the list of neighbors that all who get it have.
	sent []Prefix

	timers [timerCount]reliability.Time
	// wake is a lower bound of the next deadline, exact after HandleTimeout.
	wake reliability.Time

	started      reliability.Time
	ringChanged  reliability.Time
	massAt       reliability.Time // when the last mass failure began
	massUntil    reliability.Time // until when it counts
	hopeUntil    reliability.Time // until when members that failed may be back
	surplusAt    reliability.Time
	computedAt   reliability.Time
	lost         [massLosses]reliability.Time
	interval     time.Duration
	tokens       float64
	tokensAt     reliability.Time
	members      float64 // estimate
	nearest      bool    // receive mode
	ready        bool
	leaving      bool
	selfPublic   bool // seen or known at a public address
	nextCircuit  uint64
	coverageFrom Address
	coverageTo   Address

	scratch *Scratch
	stats   RingStats
}

// NewRing returns a ring that knows nobody yet. The errors name what is missing
// or out of range in c.
func NewRing(now reliability.Time, c RingConfig) (*Ring, error) {
	if err := c.Params.Validate(); err != nil {
		return nil, err
	}
	if c.Spec == nil || c.Rand == nil || c.Transport == nil {
		return nil, errors.New("overlay: a ring needs a groupspec, a source of chance and a transport")
	}
	r := &Ring{
		self: c.Self, alias: c.Alias, addr: c.Self.Address(), pos: c.Self.Address().Top(), p: c.Params, caps: c.Caps, require: c.RequireCaps, rand: c.Rand, tr: c.Transport, used: c.InUse,
		group: c.Spec.ID(), key: c.Spec.Identity(), scratch: c.Scratch,
		started: now, interval: c.Params.GossipFast, tokens: float64(c.Params.DialBurst), tokensAt: now, members: 1,
	}
	if r.scratch == nil {
		r.scratch = &Scratch{}
	}
	r.heard = newHeard(c.Self, r.pos, c.Params.HeardLimit)
	for i := range r.timers {
		r.timers[i] = reliability.Never
	}
	r.wake = reliability.Never
	r.setTimer(timerGossip, now.Add(r.jitter(r.interval)))
	r.setTimer(timerSweep, now.Add(sweepPeriod))
	r.setTimer(timerRejoin, now.Add(firstRejoin))
	r.setTimer(timerMemory, now.Add(r.jitter(memoryPeriod)))
	r.setTimer(timerReady, now.Add(readyPatience))
	r.updateCoverage()
	return r, nil
}

const (
	sweepPeriod   = 19 * time.Second
	memoryPeriod  = 300 * time.Second
	readyPatience = 2500 * time.Millisecond
	// The ring is computed a moment after what called for it, so that one
	// computation serves several reasons.
	recomputeDelay = 20 * time.Millisecond
)

// jitter returns d times 0.75 to 1.25.
func (r *Ring) jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(r.rand.Int64N(int64(d/2)+1))
}

// setTimer moves a timer.
func (r *Ring) setTimer(t ringTimer, at reliability.Time) {
	r.timers[t] = at
	r.wakeBy(at)
}

// hastenTimer moves a timer unless it is set for earlier.
func (r *Ring) hastenTimer(t ringTimer, at reliability.Time) {
	if at < r.timers[t] {
		r.setTimer(t, at)
	}
}

func (r *Ring) wakeBy(at reliability.Time) { r.wake = min(r.wake, at) }

// recomputeSoon has the slots computed in a moment.
func (r *Ring) recomputeSoon(now reliability.Time) {
	r.hastenTimer(timerRecompute, max(now, r.computedAt).Add(recomputeDelay))
}

// PollTimeout returns when HandleTimeout is to be called next.
func (r *Ring) PollTimeout() reliability.Time { return r.wake }

// HandleTimeout does what is due. It may be called early.
func (r *Ring) HandleTimeout(now reliability.Time) {
	if r.leaving {
		r.wake = reliability.Never
		return
	}
	r.wake = reliability.Never
	r.timeoutPending(now)
	r.timeoutDials(now)
	r.timeoutProbes(now)
	for t := range timerCount {
		if r.timers[t] <= now {
			r.timers[t] = reliability.Never
			r.fire(now, t)
		}
	}
	for _, at := range r.timers {
		r.wakeBy(at)
	}
	for i := range r.dials {
		r.wakeBy(r.dials[i].next())
	}
	for _, p := range r.pending {
		r.wakeBy(p.next())
	}
	for _, l := range r.links {
		r.wakeBy(l.probeAt)
	}
}

func (r *Ring) fire(now reliability.Time, t ringTimer) {
	switch t {
	case timerRecompute:
		r.recompute(now)
	case timerRingReport:
		r.reportToRing(now)
	case timerGossip:
		r.gossip(now)
	case timerLists:
		r.tellChanges()
	case timerSweep:
		r.heard.expire(now, r.p.HeardAge, r.p.MemoryAge)
		r.setTimer(timerSweep, now.Add(sweepPeriod))
	case timerRejoin:
		r.rejoin(now)
	case timerMemory:
		r.dialFromMemory(now)
	case timerReady:
		r.becomeReady(now)
	}
}

// HandleMessage takes a message of a peer on FlowMember or FlowOverlay. b is
// borrowed.
func (r *Ring) HandleMessage(now reliability.Time, from PeerID, f Flow, b []byte) {
	if r.leaving || len(b) == 0 {
		return
	}
	if l := r.linkOf(&from); l != nil {
		r.heardFrom(now, l)
		if f == FlowMember {
			r.handleMember(now, l, b)
		} else if f == FlowOverlay && l.ours() && r.caps&CapOverlay != 0 {
			r.handleOverlay(now, l, b)
		}
		return
	}
	if p := r.pendingOf(&from); p != nil {
		r.handlePending(now, p, f, b)
	}
}

// SetNearest sets the receive mode: NEAREST takes routed messages for all
// addresses that this node is nearest to, else only those for its own. The
// neighbors are told when the ring stands; see becomeReady.
func (r *Ring) SetNearest(now reliability.Time, nearest bool) {
	if r.nearest == nearest {
		return
	}
	r.nearest = nearest
	r.tellMode(now)
	r.updateCoverage()
}

// SetOwnAddresses says at which addresses others find this node. Those of its
// introducers have the origin relay.
func (r *Ring) SetOwnAddresses(_ reliability.Time, addrs []wire.Address) {
	r.own = slices.Clone(addrs[:min(len(addrs), maxOwnAddresses)])
	r.judgeOwn()
}

// Observed returns from which addresses neighbors see this node, newest first.
// The slice is good until the next mutation.
func (r *Ring) Observed() []wire.Address { return r.observed }

// IsReady reports whether the nearest neighbors on both sides are linked, or
// were once.
func (r *Ring) IsReady() bool { return r.ready }

// Stats returns what was counted.
func (r *Ring) Stats() RingStats { return r.stats }

// EstimatedMembers returns about how many members the group has, this node
// included.
func (r *Ring) EstimatedMembers() float64 { return r.members }

// TakesNearest reports whether this node takes messages for all addresses that
// it is nearest to: its receive mode is NEAREST, its ring neighbors have been
// linked, and it is not about to leave.
func (r *Ring) TakesNearest() bool { return r.ready && r.nearest && !r.leaving }

// Coverage returns the arc of addresses that this node answers for, upwards from
// from to to, both inclusive: up to the midpoints to its neighbors, of which the
// one below is the neighbor's. In receive mode EXACT, and before the node is
// ready, both are its own address.
func (r *Ring) Coverage() (from, to Address) { return r.coverageFrom, r.coverageTo }

// act queues an action.
func (r *Ring) act(a Action) { r.scratch.actions.push(a) }

// send queues a message. data is not written to afterwards.
func (r *Ring) send(to PeerID, f Flow, data []byte) {
	r.act(Action{Kind: ActionSend, Peer: to, Flow: f, Data: data})
}

// PollAction returns the next thing to be done, in order.
func (r *Ring) PollAction() (Action, bool) { return r.scratch.actions.poll() }

func (r *Ring) tell(k EventKind, l *link) {
	e := Event{Kind: k}
	if l != nil {
		e.Link = r.info(l)
	}
	r.scratch.events.push(e)
}

// PollEvent returns the next thing that happened.
func (r *Ring) PollEvent() (Event, bool) { return r.scratch.events.poll() }

// reuse empties a queue and lets go of one that once was long.
func reuse[T any](queue []T) []T {
	if cap(queue) > 256 {
		return nil
	}
	return queue[:0]
}

// isSelf reports whether an ID is one of this node's.
func (r *Ring) isSelf(id PeerID) bool {
	return id == r.self || id == r.alias && r.alias != PeerID{}
}
