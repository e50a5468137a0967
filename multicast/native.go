package multicast

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/reliability"
)

const nativeWait = 20 // ms

type nativeState struct{}

func (e *Engine) tickNative() {}

func (s *stream) nativeOut(id fragmenter.ID) {}

// NativeOut is something to be sent by native IP multicast: a fragment as it is
// on flow GR 12, or, if that is nil, the announcement of the stream (the
// options without the type byte).
type NativeOut struct {
	Key          StreamKey
	Fragment     []byte
	Announcement []byte
	// Relayed is set by a node that passes a stream on to its LAN and does not
	// publish it.
	Relayed bool
}

// SetNative tells whether the group has native IP multicast at this node now,
// whether the node may pass streams on to its LAN that reach it otherwise, and
// how many members of the LAN come before it for that (ipm.Discovery.Below).
func (e *Engine) SetNative(now reliability.Time, available, relay bool, rank int) {}

// HandleNative takes a fragment that came by native IP multicast: the first
// bytes of its stream's key, the fragment as it is on flow GR 12, and the tag
// of the member that sent it there. b is borrowed, unless
// EngineConfig.KeepMedia says otherwise.
func (e *Engine) HandleNative(now reliability.Time, keyPrefix [8]byte, b []byte, origin [4]byte) {}

// HandleNativeInfo takes the announcement of a stream that is multicast
// natively by the member with the tag, who passes it on or publishes it.
func (e *Engine) HandleNativeInfo(now reliability.Time, announcement []byte, relayed bool, origin [4]byte) {
}

// PollNative returns the next thing to multicast natively.
func (e *Engine) PollNative() (NativeOut, bool) { return NativeOut{}, false }
