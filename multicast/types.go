package multicast

import (
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
)

// StreamKey tells the streams of a group apart. The publisher draws it anew
// each time it publishes, so that several streams may have one name.
type StreamKey = wire.StreamKey

// CapMulticast is the capability bit of requests and grants between two nodes
// (flow GX 11). It is used towards a neighbor if both announced it.
const CapMulticast = overlay.CapMulticast

// EngineConfig says what an engine runs on.
type EngineConfig struct {
	// Self is this node.
	Self overlay.PeerID
	// Params are its settings; see Params.Validate.
	Params Params
	// Rand makes choices among peers, Entropy the keys of published streams.
	Rand    *rand.Rand
	Entropy io.Reader
	// Transport answers what the engine asks about its neighbors' sessions.
	Transport overlay.Transport
	// Uplink is the node's one upload queue.
	Uplink *Uplink
	// Caps are the capability bits that this node announces. Without
	// CapMulticast all neighbors are spoken to in the plain protocol.
	Caps uint64
	// KeepMedia tells that bytes given to HandleMessage for FlowMedia and to
	// HandleNative are never written again, so that the engine may keep them
	// instead of a copy. A simulator with thousands of nodes then holds each
	// fragment once.
	KeepMedia bool
}

// PublishOptions are the settings of one published stream.
type PublishOptions struct {
	// Params replaces the engine's settings for this stream; nil keeps them.
	Params *Params
}

// PlayOptions are the settings of one subscription.
type PlayOptions struct {
	// OmitBody delivers messages without payload, only type, timestamp, class
	// and extent. It is for measurements, which then need no copy of the media.
	OmitBody bool
}

// Errors of the methods that an application calls.
var (
	// ErrNoStream means that no stream with that key is published here.
	ErrNoStream = errors.New("multicast: no such stream")
	// ErrName means that a stream name is empty or longer than 512 bytes.
	ErrName = errors.New("multicast: stream name is empty or too long")
	// ErrTooManyStreams means that the group has as many streams as a node
	// keeps.
	ErrTooManyStreams = errors.New("multicast: too many streams")
)

// Send is a control message for a neighbor. It goes out, reliable and in
// order within its flow, before any media.
type Send struct {
	Peer overlay.PeerID
	Key  StreamKey
	// Flow is overlay.FlowStream or overlay.FlowStreamExt. The first message
	// for a stream on FlowStream is the announcement and opens the flow.
	Flow overlay.Flow
	// Data is not changed afterwards.
	Data []byte
}

// Reject is a flow of a neighbor that is to be refused or closed.
type Reject struct {
	Peer overlay.PeerID
	Key  StreamKey
	Flow overlay.Flow
}

// EventKind tells events apart.
type EventKind uint8

// The kinds of events.
const (
	// EventStreamSeen: a stream was announced for the first time. Name, Key,
	// Params.
	EventStreamSeen EventKind = iota + 1
	// EventStreamGone: a stream has ended or nobody has it any more. Name, Key.
	EventStreamGone
	// EventPlayable: a subscription is about to deliver its first message.
	// Name, Key.
	EventPlayable
	// EventMessage: the next message of a subscription. Name, Key, Message,
	// First, Fragments.
	EventMessage
	// EventGap: fragments First to First+Fragments-1 were given up; the
	// message after the gap follows. Name, Key.
	EventGap
	// EventReset: a subscription goes on with another stream of the same
	// name. Name, Key, Params.
	EventReset
	// EventEnd: the last message of a stream that has ended was delivered.
	// Name, Key.
	EventEnd
)

// String returns the kind's name as traces show it.
func (k EventKind) String() string {
	names := [...]string{"none", "stream seen", "stream gone", "playable", "message", "gap", "reset", "end"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Event is something that happened. Which fields are set is said at the kinds.
type Event struct {
	Kind    EventKind
	Name    string
	Key     StreamKey
	Params  wire.StreamParams
	Message packager.Message
	// First is the number of the first fragment that the event is about, and
	// Fragments how many they are.
	First     fragmenter.ID
	Fragments int
}

// StreamInfo tells of one stream that is known in the group.
type StreamInfo struct {
	Name   string
	Key    StreamKey
	Params wire.StreamParams
	// Publishing is set for streams of this node, Playing for the one that a
	// subscription is bound to, Ended when its end is known.
	Publishing, Playing, Ended bool
	// Neighbors is how many neighbors take part in the stream.
	Neighbors int
	// Newest is the highest fragment held.
	Newest fragmenter.ID
	// Silent is for how long no new fragment has come.
	Silent time.Duration
}
