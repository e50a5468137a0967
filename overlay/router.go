package overlay

import (
	"math/rand/v2"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// Send is a message to a neighbor, which goes out reliably and in order within
// its flow.
type Send struct {
	Peer PeerID
	Flow Flow
	// Data is not changed afterwards.
	Data []byte
}

// RouterView is what a Router asks about the ring.
type RouterView interface {
	// Links returns all links, sorted by address, good until the ring changes.
	Links() []LinkInfo
	// NeighborsOf returns whom a neighbor is linked with, sorted.
	NeighborsOf(p PeerID) []Prefix
	// TakesNearest reports whether this node takes messages for all addresses
	// that it is nearest to.
	TakesNearest() bool
}

var _ RouterView = (*Ring)(nil)

// RouterConfig says what a Router runs on.
type RouterConfig struct {
	Self PeerID
	// Enabled is whether the groupspec allows routing. If not, nothing is sent
	// and what comes is dropped.
	Enabled   bool
	View      RouterView
	Transport Transport
	// Rand makes the numbers of messages.
	Rand *rand.Rand
}

// RouteResult says what became of a message for neighbors. String gives the
// words of the original API.
type RouteResult uint8

// The results.
const (
	// RouteSent: it was handed to the neighbor or neighbors, or is for this node.
	RouteSent RouteResult = iota
	// RouteNone: nobody is there to take it.
	RouteNone
	// RouteError: the group does not permit routing, or the message is none.
	RouteError
)

// String returns "sent", "no route" or "error".
func (r RouteResult) String() string {
	switch r {
	case RouteSent:
		return "sent"
	case RouteNone:
		return "no route"
	}
	return "error"
}

// Direction is a way around the ring.
type Direction uint8

// The directions.
const (
	NextIncreasing Direction = iota
	NextDecreasing
)

// RouterEventKind says what came.
type RouterEventKind uint8

// The events of a Router.
const (
	// RouterMessage: a message from a neighbor, or from this node to itself.
	// Data, From, FromLocal. It is the application's to send it on.
	RouterMessage RouterEventKind = iota + 1
	// RouterArrived: a message that was routed to an address this node is
	// nearest to. Data, Origin, Target, Number, Hops.
	RouterArrived
	// RouterQuestion: the same, and Origin waits for Answer.
	RouterQuestion
	// RouterAnswer: the answer to Ask. Data, Origin (who answers), Number, Hops.
	RouterAnswer
	// RouterFailed: nobody has answered Ask. Target, Number.
	RouterFailed
)

// RouterEvent is something that came to a Router.
type RouterEvent struct {
	Kind RouterEventKind
	// Data is the message, the receiver's to keep.
	Data []byte
	// From is the address of the neighbor that sent it, or this node's own if
	// FromLocal is set.
	From      Address
	FromLocal bool
	// Origin says who routed it. It can't be proved, and must not be trusted
	// more than any member is.
	Origin PeerID
	Target Address
	Number uint64
	// Hops is how many links it has come over.
	Hops int
}

// RouterStats count what a Router has done.
type RouterStats struct {
	Sent, Received       uint64 // bare messages to and from neighbors
	SentBytes, RecvBytes uint64 // all messages
	Asked, Answered      uint64 // questions of this node
	Repeated, Failed     uint64
	Forwarded            uint64 // for others
	Arrived              uint64 // routed messages and questions
	Duplicates           uint64
	Rerouted             uint64 // because a neighbor gave no sign of life
	Dropped              uint64 // malformed, without a way, or over a limit
	Hops                 uint64 // of all that arrived
}

const (
	// maxHops bounds the way of a message. Each hop comes nearer to the target,
	// so only a group at war with itself gets there.
	maxHops = 64
	// maxInFlight is how many messages are watched on their next hop, maxAsked
	// how many questions wait for an answer, maxSeen how many messages are
	// remembered so that they come but once, maxAnswered how many answers are
	// kept in case the question is repeated.
	maxInFlight = 256
	maxAsked    = 256
	maxSeen     = 512
	maxAnswered = 64
	// hopPatience is how long a neighbor may take to give a sign of life after a
	// message; twice the round-trip time if that is longer, and twice as long
	// through a relay.
	hopPatience = 400 * time.Millisecond
	// askAgainAfter is how long to wait for an answer, askTries how often to ask.
	askAgainAfter = 3 * time.Second
	askTries      = 4
	// answerKept is how long an answer is kept.
	answerKept = 15 * time.Second
	// maxExcluded is by how many neighbors a hop is tried.
	maxExcluded = 6
	// maxWaits is how often longer to wait, each hopPatience, for a neighbor in
	// whose place nobody else is right.
	maxWaits = 5
)

// Router sends messages to places on the ring. It does so in two ways.
//
// The first is that of all implementations: a message goes one hop, to the
// neighbor nearest to an address or next on the ring or to all, and the
// application there sends it on if it likes. SendToNearest and its like.
//
// The second is for groups of our own nodes: Route and Ask carry a message all
// the way to the member nearest to an address, which answers with Answer. Every
// hop goes to a neighbor that is nearer, and among those to the one whose own
// neighbors are nearest, which takes a fifth off the way. A neighbor that gives
// no sign of life is passed by, and a question is repeated by its origin.
//
// Not safe for concurrent use.
type Router struct {
	c    RouterConfig
	addr Address

	sends  outbox[Send]
	events outbox[RouterEvent]

	flying   []flight
	asked    []question
	seen     []seenMessage
	seenNext int
	answered []answer
	stats    RouterStats
}

// flight is a message whose next hop may turn out to be dead.
type flight struct {
	to       PeerID
	data     []byte
	sign     reliability.Time // what comes later shows that the receiver lives
	deadline reliability.Time
	excluded [maxExcluded]PeerID
	tries    int
	waits    int // for a neighbor that nobody can stand in for
}

// question waits for its answer.
type question struct {
	message  owire.Routed
	deadline reliability.Time
}

// seenMessage names a message that has come: to be passed on, for each attempt
// anew, or here, whatever the attempt.
type seenMessage struct {
	origin  uint32
	number  uint64
	kind    owire.RoutedKind
	attempt uint8
}

// arrivedHere stands for all attempts.
const arrivedHere = 255

// answer is what was answered to a question.
type answer struct {
	question seenMessage
	data     []byte
	at       reliability.Time
}

// NewRouter returns a router. View, Transport and Rand must be set.
func NewRouter(c RouterConfig) *Router { return &Router{c: c, addr: c.Self.Address()} }

// Stats returns what was counted.
func (r *Router) Stats() RouterStats { return r.stats }

// PollSend returns the next message to a neighbor.
func (r *Router) PollSend() (Send, bool) { return r.sends.poll() }

// PollEvent returns the next thing that came.
func (r *Router) PollEvent() (RouterEvent, bool) { return r.events.poll() }

func (r *Router) send(to PeerID, data []byte) {
	r.stats.SentBytes += uint64(len(data))
	r.sends.push(Send{Peer: to, Flow: FlowRoute, Data: data})
}

// may reports whether a bare message may be sent.
func (r *Router) may(message []byte) bool { return r.c.Enabled && owire.CheckRoute(message) == nil }

// SendToNearest sends a bare message, an AMF0 value, one hop towards an address:
// to the nearest of this node and its neighbors. Those in receive mode EXACT
// count only for their own address. If this node is the nearest, the message
// comes back as an event.
func (r *Router) SendToNearest(addr Address, message []byte) RouteResult {
	if !r.may(message) {
		return RouteError
	}
	best, found := PeerID{}, false
	var bestAddr Address
	if addr == r.addr || r.c.View.TakesNearest() {
		best, bestAddr, found = r.c.Self, r.addr, true
	}
	for _, l := range r.c.View.Links() {
		if l.Addr != addr && (!l.Nearest || l.Suspect) {
			continue
		}
		if !found || nearer(l.Addr, bestAddr, addr) {
			best, bestAddr, found = l.Peer, l.Addr, true
		}
	}
	switch {
	case !found:
		return RouteNone
	case best == r.c.Self:
		r.events.push(RouterEvent{Kind: RouterMessage, Data: slices.Clone(message), From: r.addr, FromLocal: true})
	default:
		r.stats.Sent++
		r.send(best, slices.Clone(message))
	}
	return RouteSent
}

// nearer reports whether a is nearer to an address than b; at the same distance
// the lower one is.
func nearer(a, b, addr Address) bool {
	if c := a.Distance(addr).Compare(b.Distance(addr)); c != 0 {
		return c < 0
	}
	return a.Compare(b) < 0
}

// SendToNeighbor sends a bare message to the next neighbor in a direction around
// the ring.
func (r *Router) SendToNeighbor(way Direction, message []byte) RouteResult {
	if !r.may(message) {
		return RouteError
	}
	links := slices.DeleteFunc(slices.Clone(r.c.View.Links()), func(l LinkInfo) bool { return l.Suspect })
	if len(links) == 0 {
		return RouteNone
	}
	i, _ := slices.BinarySearchFunc(links, r.addr, func(l LinkInfo, a Address) int { return l.Addr.Compare(a) })
	if way == NextDecreasing {
		i += len(links) - 1
	}
	r.stats.Sent++
	r.send(links[i%len(links)].Peer, slices.Clone(message))
	return RouteSent
}

// SendToAllNeighbors sends a bare message to every neighbor.
func (r *Router) SendToAllNeighbors(message []byte) RouteResult {
	if !r.may(message) {
		return RouteError
	}
	data := slices.Clone(message)
	result := RouteNone
	for _, l := range r.c.View.Links() {
		r.stats.Sent++
		r.send(l.Peer, data)
		result = RouteSent
	}
	return result
}

// HandleMessage takes a message of a neighbor on FlowRoute. b is borrowed.
func (r *Router) HandleMessage(now reliability.Time, from PeerID, f Flow, b []byte) {
	if f != FlowRoute {
		return
	}
	if !r.c.Enabled {
		r.stats.Dropped++
		return
	}
	r.stats.RecvBytes += uint64(len(b))
	if owire.IsRouted(b) {
		r.handleRouted(now, from, b)
		return
	}
	if owire.CheckRoute(b) != nil {
		r.stats.Dropped++
		return
	}
	r.stats.Received++
	r.events.push(RouterEvent{Kind: RouterMessage, Data: slices.Clone(b), From: from.Address()})
}
