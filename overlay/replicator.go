package overlay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// ObjectRange is a run of indexes of objects, both ends included. The largest
// index is MaxObjectIndex.
type ObjectRange = owire.Range

// MaxObjectIndex is the largest index that an object may have.
const MaxObjectIndex = owire.MaxIndex

// ReplicationConfig says what a Replicator runs on.
type ReplicationConfig struct {
	// Spec is the group. Without object replication in it nothing is taken or
	// given.
	Spec      *groupspec.Spec
	Params    ReplicationParams
	Rand      *rand.Rand
	Transport Transport
	// KeepData tells that bytes given to HandleMessage are never written again,
	// so that objects are handed on without a copy.
	KeepData bool
}

// ReplicationStats count what a Replicator has done.
type ReplicationStats struct {
	Asked, Received, Failed  uint64 // objects
	BytesReceived            uint64 // of values
	Requested, Given, Denied uint64 // objects that others asked for
	BytesGiven               uint64
	Reassigned               uint64 // asked of another neighbor as the first was slow
	Refused                  uint64 // objects that the application found to be wrong
	// AllSent and AllReceived are the bytes of all messages.
	AllSent, AllReceived        uint64
	Malformed, Flooded, Unasked uint64 // what others sent in error or in bad faith
}

// ReplicationEventKind says what happened.
type ReplicationEventKind uint8

// The events of a Replicator.
const (
	// ObjectAsked: Index has been asked of Peer.
	ObjectAsked ReplicationEventKind = iota + 1
	// ObjectCame: Index came from Peer. Value. Judge must follow.
	ObjectCame
	// ObjectFailed: the request for Index has failed, it was denied or the
	// neighbor is gone. It is asked for again as long as it is wanted.
	ObjectFailed
	// ObjectRequested: Peer asks for Index. Give or Deny must follow, with
	// Request.
	ObjectRequested
)

// ReplicationEvent is something that happened.
type ReplicationEvent struct {
	Kind  ReplicationEventKind
	Index uint64
	Peer  PeerID
	// Value is an AMF0 value, the receiver's to keep.
	Value []byte
	// Request names the request of a neighbor.
	Request uint64
}

// Replicator copies numbered objects, parts of a file for instance, to all
// members that want them. A node tells its neighbors which objects it has, asks
// for those that it wants, and passes on what it got, so that the load is that
// of all members together. What came is judged by the application before it
// counts.
//
// Only neighbors that announced CapReplication take part, and only over direct
// links. Not safe for concurrent use.
type Replicator struct {
	p       ReplicationParams
	rand    *rand.Rand
	tr      Transport
	enabled bool
	keep    bool
	links   []*objectLink

	// have is what this node has, hidden the part of it that most neighbors are
	// not told of, unshown the part of that which none is and again what is to be
	// shown once more after that. want is what it wants and is neither asked for
	// nor judged at present.
	have, hidden, unshown, again, want indexSet
	// added and removed are the changes that neighbors will be told at tellAt.
	added, removed indexSet
	tellAt         reliability.Time

	// What is being fetched.
	requests []*objectRequest // oldest first
	judged   []objectCame     // handed to the application
	lastID   uint64
	plan     []uint64 // what to ask for next
	planned  reliability.Time
	stale    bool             // things have changed since the plan was made
	replanAt reliability.Time // when it is made anew, if that is waited for
	slowAt   reliability.Time // not later than when some request has waited too long
	knockAt  reliability.Time // when to ask for what nobody shows
	knocks   int              // since something has come
	// cameAt is when something last came or was first wanted, knockedAt when the
	// last knock was.
	cameAt, knockedAt reliability.Time

	// What is being given.
	queue   []*objectQuestion // not answered
	active  []*objectQuestion // handed to the application
	size    int               // of the last object given
	sent    allowance         // by Rate
	lookAt  reliability.Time  // when the transport is looked at again
	gaveAt  reliability.Time  // when an object was last given
	wasBusy bool              // more were asked for then

	seedAt     reliability.Time // when the seed looks after what it shows
	showAt     reliability.Time // when more can be shown to one that was shown something too often
	seedCursor uint64
	lent       []objectLent // oldest first
	pace       float64      // objects given in the last seedPeriod
	given      uint64       // until then
	helped     int          // objects shown once more though somebody had them

	sends  outbox[Send]
	events outbox[ReplicationEvent]
	stats  ReplicationStats
	ranges []owire.Range // scratch
}

// objectLink is a neighbor that takes part.
type objectLink struct {
	neighbor
	has   indexSet
	grown reliability.Time // when it last had more

	out       int           // requests to it without an answer
	pace      time.Duration // how long an object takes to come; 0 if not known
	got, late int           // objects that it gave, and that it was too slow for
	bad       int           // that the application refused
	gotAt     reliability.Time
	busyAt    reliability.Time // since when it has had something to answer
	lateAt    reliability.Time // when it was last found to be slow
	denied    []objectPause
	// knockedAt is when it was last asked for what it has not shown.
	knockedAt reliability.Time
	dropped   []*objectRequest // given up by this end, whose objects may still come

	queued int // its requests in queue and active
	shown  []objectShown
	// lent is how many objects of the seed it has that no other neighbor is known
	// to have, spread how many others it has passed on, kept how many not, pace2
	// how many it passes on in a second, and tries how many it had while it told nothing.
	lent, spread, spreadBefore, kept, tries int
	pace2                                   float64
	stuck                                   bool     // what it has does not spread
	told                                    bool     // it has told of objects that it has
	fed                                     indexSet // what it was shown out of need
	fedMore                                 int      // how much the last time
	fedAt                                   reliability.Time
	idle                                    bool // asks for nothing that it is shown
	idleAt                                  reliability.Time
	askedAt                                 reliability.Time // when it last asked for an object
	shownAll                                bool
	open                                    bool // can take an object now

	haves, asks allowance
	shows       allowance // messages that show it something
	hears       bool      // may be shown something now
}

// objectRequest is a request of this node.
type objectRequest struct {
	id, index uint64
	link      *objectLink
	asked     reliability.Time
	at        reliability.Time // when it was made, or last found to be slow
}

// objectCame is an object that the application judges.
type objectCame struct {
	index uint64
	link  *objectLink
}

// objectPause keeps a neighbor from being asked for an object that it denied.
type objectPause struct {
	index uint64
	until reliability.Time
}

// objectQuestion is a request of a neighbor.
type objectQuestion struct {
	number    uint64 // for the application
	id, index uint64
	link      *objectLink
	at        reliability.Time
}

// Defences.
const (
	// maxObjectBlocks bounds what is remembered of a neighbor's objects, in
	// blocks of indexSet: half a megabyte.
	maxObjectBlocks = 1024
	// maxQueuedOf bounds the requests of one neighbor, maxQueued those of all.
	maxQueuedOf = 32
	maxQueued   = 1024
	maxDenied   = 64
	maxDropped  = 32
	// maxBad is after how many refused objects a neighbor is asked for no more.
	maxBad = 3
)

// Messages that one neighbor may have handled.
var (
	objectHaveRate = rate{burst: 256, perSecond: 40}
	// showRate is how often a neighbor is shown something; with what this node
	// has got, told each ReplicationParams.Coalesce, that stays below the rate
	// above. On a fast line more is shown at a time.
	showRate      = rate{burst: 64, perSecond: 20}
	objectAskRate = rate{burst: 1024, perSecond: 4096}
)

// NewReplicator returns a replicator without neighbors and objects. It panics on
// settings that ReplicationParams.Validate refuses.
func NewReplicator(c ReplicationConfig) *Replicator {
	if err := c.Params.Validate(); err != nil {
		panic(err.Error())
	}
	return &Replicator{
		p: c.Params, rand: c.Rand, tr: c.Transport, enabled: c.Spec.Settings().ObjectReplication, keep: c.KeepData,
		tellAt: reliability.Never, replanAt: reliability.Never, slowAt: reliability.Never, knockAt: reliability.Never, lookAt: reliability.Never, seedAt: reliability.Never,
		showAt: reliability.Never,
	}
}

// check reports why a range can't be used.
func (r *Replicator) check(objects ObjectRange) error {
	switch {
	case !r.enabled:
		return fmt.Errorf("object replication: %w", ErrNotPermitted)
	case objects.First > objects.Last || objects.Last > MaxObjectIndex:
		return fmt.Errorf("overlay: objects %d to %d: want a range within 0 to %d", objects.First, objects.Last, uint64(MaxObjectIndex))
	}
	return nil
}

// AddHave tells that this node has objects, and brings them into the group if
// original is set: nobody else is expected to have them. They are no longer
// wanted.
func (r *Replicator) AddHave(now reliability.Time, objects ObjectRange, original bool) error {
	if err := r.check(objects); err != nil {
		return err
	}
	r.drop(now, objects)
	r.gain(now, objects, original && r.p.Reveal > 0 && objects.Last-objects.First >= fewObjects)
	return nil
}

// fewObjects is up to how many objects less one are shown to everybody at once.
const fewObjects = 63

// gain notes that this node has objects.
func (r *Replicator) gain(now reliability.Time, objects ObjectRange, hidden bool) {
	r.have.add(objects)
	r.removed.remove(objects)
	switch {
	case r.p.NoUpload:
	case hidden:
		r.hidden.add(objects)
		r.unshown.add(objects)
		r.showMore(now)
		r.seedAt = min(r.seedAt, now.Add(seedPeriod))
	default:
		r.added.add(objects)
		r.tellAt = min(r.tellAt, now.Add(r.p.Coalesce))
	}
}

// RemoveHave tells that this node doesn't have objects any more.
func (r *Replicator) RemoveHave(now reliability.Time, objects ObjectRange) error {
	if err := r.check(objects); err != nil {
		return err
	}
	for _, s := range []*indexSet{&r.have, &r.hidden, &r.unshown, &r.again, &r.added} {
		s.remove(objects)
	}
	if !r.p.NoUpload {
		r.removed.add(objects)
		r.tellAt = min(r.tellAt, now.Add(r.p.Coalesce))
	}
	for _, q := range slices.Clone(r.queue) {
		if q.index >= objects.First && q.index <= objects.Last {
			r.refuse(q)
		}
	}
	return nil
}

// AddWant has objects fetched that this node doesn't have.
func (r *Replicator) AddWant(now reliability.Time, objects ObjectRange) error {
	if err := r.check(objects); err != nil {
		return err
	}
	if r.Wanted() == 0 {
		r.cameAt = now
	}
	r.want.add(objects)
	r.have.within(objects, func(known ObjectRange) { r.want.remove(known) })
	for _, q := range r.requests {
		r.want.remove(ObjectRange{First: q.index, Last: q.index})
	}
	for _, c := range r.judged {
		r.want.remove(ObjectRange{First: c.index, Last: c.index})
	}
	r.stale = true
	r.fetch(now)
	return nil
}

// RemoveWant ends the search for objects. Requests for them are withdrawn.
func (r *Replicator) RemoveWant(now reliability.Time, objects ObjectRange) error {
	if err := r.check(objects); err != nil {
		return err
	}
	r.drop(now, objects)
	r.fetch(now)
	return nil
}

// drop makes objects unwanted.
func (r *Replicator) drop(_ reliability.Time, objects ObjectRange) {
	r.want.remove(objects)
	for _, q := range slices.Clone(r.requests) {
		if q.index >= objects.First && q.index <= objects.Last {
			r.end(q)
			r.send(q.link, FlowReplication, owire.AppendCancel(nil, q.id))
		}
	}
	r.judged = slices.DeleteFunc(r.judged, func(c objectCame) bool { return c.index >= objects.First && c.index <= objects.Last })
}

// Has reports whether this node has an object.
func (r *Replicator) Has(index uint64) bool { return r.have.has(index) }

// Wanted returns how many objects are still to come, those on their way
// included.
func (r *Replicator) Wanted() uint64 {
	indexes := make([]uint64, 0, len(r.requests))
	for _, q := range r.requests {
		indexes = append(indexes, q.index) // some are asked of several
	}
	slices.Sort(indexes)
	return r.want.count() + uint64(len(slices.Compact(indexes))+len(r.judged))
}

// Copies returns how many neighbors are known to have an object.
func (r *Replicator) Copies(index uint64) (count int) {
	for _, l := range r.links {
		if l.has.has(index) {
			count++
		}
	}
	return count
}

// Offered returns which objects of a range neighbors are known to have, in order,
// up to most of them.
func (r *Replicator) Offered(objects ObjectRange, most int) []uint64 {
	var all indexSet
	for _, l := range r.links {
		// Of a neighbor that offers more, no more need be looked at.
		left := uint64(max(most, 0))
		l.has.ranges(func(run ObjectRange) bool {
			if first, last := max(run.First, objects.First), min(run.Last, objects.Last); left > 0 && first <= last {
				last = min(last, first+left-1)
				left -= last - first + 1
				all.add(ObjectRange{First: first, Last: last})
			}
			return left > 0 && run.First <= objects.Last
		})
	}
	var list []uint64
	all.ranges(func(known ObjectRange) bool {
		for i := known.First; i <= known.Last && len(list) < most; i++ {
			list = append(list, i)
		}
		return len(list) < most
	})
	return list
}

// HandleLink tells of a neighbor that is up or has changed.
func (r *Replicator) HandleLink(now reliability.Time, info LinkInfo) {
	l := r.link(info.Peer)
	able := r.enabled && info.Caps&CapReplication != 0 && !info.Relayed
	switch {
	case l != nil && !able:
		r.HandleLinkDown(now, info.Peer)
		return
	case !able:
		return
	case l != nil:
		l.neighbor = info.neighbor()
	default:
		l = &objectLink{neighbor: info.neighbor(), grown: now, haves: objectHaveRate.full(now), asks: objectAskRate.full(now), shows: showRate.full(now)}
		r.links = append(r.links, l)
		r.greet(now, l)
	}
	r.fetch(now)
}

func (r *Replicator) link(id PeerID) *objectLink {
	for _, l := range r.links {
		if l.Peer == id {
			return l
		}
	}
	return nil
}

// HandleLinkDown tells that a neighbor is none any more.
func (r *Replicator) HandleLinkDown(now reliability.Time, id PeerID) {
	l := r.link(id)
	if l == nil {
		return
	}
	r.links = slices.DeleteFunc(r.links, func(o *objectLink) bool { return o == l })
	for _, q := range slices.Clone(r.requests) {
		if q.link == l {
			r.fail(now, q)
		}
	}
	r.queue = slices.DeleteFunc(r.queue, func(q *objectQuestion) bool { return q.link == l })
	r.active = slices.DeleteFunc(r.active, func(q *objectQuestion) bool { return q.link == l })
	r.takeBack(l, func(objectShown) bool { return true })
	r.lent = slices.DeleteFunc(r.lent, func(o objectLent) bool {
		if o.link == l && r.hidden.has(o.index) && r.Copies(o.index) == 0 {
			r.again.add(ObjectRange{First: o.index, Last: o.index})
		}
		return o.link == l
	})
	r.showMore(now)
	r.fetch(now)
	r.give(now)
}

// HandleMessage takes a message of a neighbor on FlowReplication or FlowObjects.
// b is borrowed unless ReplicationConfig.KeepData says otherwise.
func (r *Replicator) HandleMessage(now reliability.Time, from PeerID, f Flow, b []byte) {
	l := r.link(from)
	kind, ok := owire.Kind(b)
	if l == nil || !ok {
		return
	}
	r.stats.AllReceived += uint64(len(b))
	err := error(nil)
	switch {
	case f == FlowObjects:
		err = r.handleObject(now, l, b)
	case kind >= owire.TypeHave && kind <= owire.TypeHaveRemove:
		err = r.handleHave(now, l, b)
	case kind == owire.TypeRequest:
		err = r.handleRequest(now, l, b)
	case kind == owire.TypeCancel:
		err = r.handleCancel(now, l, b)
	case kind == owire.TypeDeny:
		err = r.handleDeny(now, l, b)
	}
	if err != nil {
		r.stats.Malformed++
	}
}

// HandleTimeout does what is due. Calling it when a transport has drained makes
// good use of it.
func (r *Replicator) HandleTimeout(now reliability.Time) {
	if r.tellAt <= now {
		r.tell()
	}
	if r.seedAt <= now {
		r.seed(now)
	}
	if r.showAt <= now {
		r.showAt = reliability.Never
		r.showMore(now)
	}
	if r.slowAt <= now {
		r.hasten(now)
	}
	if r.knockAt <= now {
		r.knock(now)
	}
	r.stale = r.stale || r.replanAt <= now
	r.give(now)
	r.fetch(now)
}

// PollTimeout returns when HandleTimeout is to be called next.
func (r *Replicator) PollTimeout() reliability.Time {
	return min(r.tellAt, r.seedAt, r.slowAt, r.showAt, r.lookAt, r.replanAt, r.knockAt)
}

func (r *Replicator) send(l *objectLink, f Flow, b []byte) {
	r.stats.AllSent += uint64(len(b))
	r.sends.push(Send{l.Peer, f, b})
}

// PollSend returns the next message for a neighbor.
func (r *Replicator) PollSend() (Send, bool) { return r.sends.poll() }

// PollEvent returns the next event.
func (r *Replicator) PollEvent() (ReplicationEvent, bool) { return r.events.poll() }

// Stats returns what was counted.
func (r *Replicator) Stats() ReplicationStats { return r.stats }
