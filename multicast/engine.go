package multicast

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// Engine holds all streams of one group at one node: those it publishes, plays
// and relays. See the package comment for how it is driven. Not safe for
// concurrent use.
type Engine struct {
	config EngineConfig
	now    reliability.Time
}

// NewEngine returns an engine without neighbors and streams. It panics on
// settings that Params.Validate refuses.
func NewEngine(now reliability.Time, c EngineConfig) *Engine {
	if err := c.Params.Validate(); err != nil {
		panic(fmt.Sprintf("multicast: %v", err))
	}
	return &Engine{config: c, now: now}
}

// HandleNeighbor tells of a neighbor that is up or has changed.
func (e *Engine) HandleNeighbor(now reliability.Time, link overlay.LinkInfo) {}

// HandleNeighborGone tells that a neighbor is none any more.
func (e *Engine) HandleNeighborGone(now reliability.Time, peer overlay.PeerID) {}

// HandleMessage takes a message that a neighbor sent on one of the three flows
// of a stream. b is borrowed, unless EngineConfig.KeepMedia says otherwise.
func (e *Engine) HandleMessage(now reliability.Time, from overlay.PeerID, key StreamKey, f overlay.Flow, b []byte) {
}

// HandleStreamClosed tells that a neighbor has closed a flow of its own or
// refused one of ours.
func (e *Engine) HandleStreamClosed(now reliability.Time, from overlay.PeerID, key StreamKey, f overlay.Flow) {
}

// HandleNative takes a fragment that came by native IP multicast: the first
// bytes of its stream's key, the fragment as it is on flow GR 12, and the tag
// of the member that sent it there.
func (e *Engine) HandleNative(now reliability.Time, keyPrefix [8]byte, b []byte, origin [4]byte) {}

// Publish begins a stream. Everything of it is sent with Write.
func (e *Engine) Publish(now reliability.Time, name string, o PublishOptions) (StreamKey, error) {
	return StreamKey{}, ErrTooManyStreams
}

// Write sends the next message of a published stream. It returns ErrNoStream,
// or a *fragmenter.TooLargeError for a message that cannot be carried.
func (e *Engine) Write(now reliability.Time, key StreamKey, m packager.Message) error {
	return ErrNoStream
}

// EndPublish ends a published stream. What is in the window is still given to
// those who ask for it.
func (e *Engine) EndPublish(now reliability.Time, key StreamKey) {}

// Play subscribes to the streams of a name, now and later: one of them is
// delivered at a time.
func (e *Engine) Play(now reliability.Time, name string, o PlayOptions) {}

// StopPlay ends a subscription and takes leave of the neighbors.
func (e *Engine) StopPlay(now reliability.Time, name string) {}

// Close ends all streams and subscriptions, in order to leave the group.
func (e *Engine) Close(now reliability.Time) {}

// PollSend returns the next control message.
func (e *Engine) PollSend() (Send, bool) { return Send{}, false }

// PollReject returns the next flow to refuse or close.
func (e *Engine) PollReject() (Reject, bool) { return Reject{}, false }

// PollPing returns the next neighbor to ask for a sign of life. The answer is
// seen in Transport.LastHeard.
func (e *Engine) PollPing() (overlay.PeerID, bool) { return overlay.PeerID{}, false }

// PollEvent returns the next event.
func (e *Engine) PollEvent() (Event, bool) { return Event{}, false }

// HandleTimeout does what is due.
func (e *Engine) HandleTimeout(now reliability.Time) {}

// PollTimeout returns the next deadline.
func (e *Engine) PollTimeout() reliability.Time { return reliability.Never }

// Stats returns the counters of the stream of a name that is published or
// played here; zeros if there is none.
func (e *Engine) Stats(name string) Info { return Info{} }

// Streams returns the streams that are known in the group, in the order in
// which they were first seen.
func (e *Engine) Streams() []StreamInfo { return nil }

// tick is how often an engine looks after its streams.
const tick = 50 * time.Millisecond
