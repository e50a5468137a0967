package multicast

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/reliability"
)

const nativeWait = 20 // ms

type nativeState struct{}

func (e *Engine) tickNative() {}

func (s *stream) nativeOut(id fragmenter.ID) {}

// HandleNative takes a fragment that came by native IP multicast: the first
// bytes of its stream's key, the fragment as it is on flow GR 12, and the tag
// of the member that sent it there.
func (e *Engine) HandleNative(now reliability.Time, keyPrefix [8]byte, b []byte, origin [4]byte) {}
