package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/reliability"
)

// stream is one stream of a group at one node. It is known once it was
// announced, and active while this node publishes, plays or relays it.
type stream struct {
	e      *Engine
	key    StreamKey
	name   string
	params wire.StreamParams
	window time.Duration // within which fragments are sought and delivered
	margin time.Duration // for how much longer they are kept

	active, publishing bool
	play               *subscription // that is bound to it
	playable, done     bool          // delivery has begun, has ended
	announced          bool          // all neighbors have been told
	source             *source       // of a published stream
	end                fragmenter.ID // one more than the last fragment, 0 while it goes on
	endedAt            millis        // when that became known
	alone              millis        // since when nobody has it
	progress           millis        // when a new fragment last came
	videoAt            millis        // when a picture last came

	// peers are the neighbors, at the index that they have in the engine.
	peers  []peer
	slices [sliceCount]slice
	slots  slots
	rates  rates
	used   int // children by grant, without those given away or partial
	owner  *uplinkOwner

	win       *Window
	assembler *fragmenter.Reassembler // of a stream that is played
	clock     streamClock
	keyFrame  keyFrame
	join      joining
	pulls     []pull
	givenUp   fragmenter.ID // what is missing below it is not waited for
	// mapNewest is the newest fragment that neighbors told of.
	mapNewest   fragmenter.ID
	mapNewestAt millis

	statusAt, mapAt, childrenAt, improveAt, trialAt, plainAt millis
	activeAt, toldAt                                         millis
	told                                                     uint8 // slices that neighbors have been told of
	narrow                                                   bool  // not all can come: see judgeLine
	narrowFor                                                int
	narrowAt                                                 millis
	swappedAt                                                millis
	statusNext, mapNext                                      int

	lack lack

	nat *nativeStream // nil while native multicast plays no part

	counts counts
}

// slice is one eighth of a stream: whom it comes from and whom it goes to.
type slice struct {
	// parent pushes the slice to us, former did before and still has to push
	// what is below handover.
	parent, former int16
	// standby keeps a place for us while the slice comes natively.
	standby int16
	// asking is how many neighbors have been asked to become the parent and may
	// answer until askedUntil.
	asking     uint8
	askedUntil millis
	// handover is from where on the parent serves; stop is from where on it
	// will not any more, 0 if it did not say so.
	handover, stop fragmenter.ID
	// newest is the newest fragment that the parent pushed, by order of
	// service: audio and data, key frames, other video.
	newest [orderCount]fragmenter.ID
	last   fragmenter.ID // the newest that any parent pushed
	// partial is set while the parent promised only what is left over.
	partial, ran bool
	native       bool // it comes whole by native multicast
	denied       bool // a neighbor was refused it while it did not come
	refusals     uint8
	starved      millis // since when the parent, which lives, has had nothing to push
	wasHop       millis // until when the source takes us back as a first hop
	changed      millis // when the parent last changed
	orphan       millis // since when there is none
	tryAt        millis // when to look for a parent again

	// lag is how long after the first fragment of the same or a higher number
	// those of this slice come, in milliseconds, smoothed with 1/16; jitter is
	// its mean deviation.
	lag, jitter float32
	samples     uint16
	// delay is how long after the publisher its messages begin to come, in
	// milliseconds, smoothed with 1/8.
	delay        float32
	delaySamples uint16
	// skipped is how many are missing of which newer ones have come.
	skipped int

	tags     wire.Tags // the parent and its ancestors
	children []child
	trial    trial
}

// The orders in which a parent serves what it pushes: a fragment that is served
// later and has come shows that an earlier one is not to be expected.
const (
	orderAudio = iota
	orderKey
	orderOther
	orderCount
)

func orderOf(c reliability.Class) int {
	switch c {
	case reliability.ClassKey:
		return orderKey
	case reliability.ClassReference, reliability.ClassDisposable:
		return orderOther
	}
	return orderAudio
}

// child is a neighbor to which a slice is pushed.
type child struct {
	index int16
	value wire.Value
	// partial children get what is left over, plain ones speak the plain
	// protocol, first ones are first hops of the source.
	partial, plain, first bool
	// start is the first fragment it wants, stop the first that it does not, 0
	// if it wants all. Those with a stop don't count as used slots.
	start, stop fragmenter.ID
	since       millis // when it got its slot
}

// counts are what Info tells beside what can be seen from the state.
type counts struct {
	gotControl, sentControl, gotData     rateMeter
	duplicates, duplicateBytes           uint64
	outOfWindow, malformed               uint64
	parentChanges, parentsLost, refusals uint64
	messages, messageBytes               uint64
}

func (e *Engine) newStream(key StreamKey, name string, params wire.StreamParams) *stream {
	s := &stream{e: e, key: key, name: name, alone: e.ms}
	s.setParams(params)
	for c := range s.slices {
		s.slices[c].parent, s.slices[c].former, s.slices[c].standby = none, none, none
	}
	s.peers = make([]peer, len(e.neighbors))
	e.streams = append(e.streams, s)
	e.byKey[key] = s
	return s
}

func (s *stream) setParams(params wire.StreamParams) {
	params, replaced := params.Clamped()
	s.counts.malformed += uint64(replaced)
	s.params = params
	s.window = params.WindowDuration
	s.margin = min(s.e.config.Params.RelayMarginDuration, s.window)
}
