package rtmfp

import (
	"encoding/binary"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// UpdatingKey is a SessionKey that is replaced in the course of a session, each
// direction by its sender, without a word: a packet shows which of two keys it
// is under.
type UpdatingKey interface {
	SessionKey
	// Sealed returns how many packets have been sealed with the present key.
	Sealed() uint64
	// Update makes the next packets sealed with a new key. The far end must
	// have opened a packet under the present one.
	Update()
	// Received returns how many times the far end has replaced its key.
	Received() uint64
	// Forget drops the far end's key before the present one.
	Forget()
}

// When a key is replaced. The number of packets is far below what the ciphers
// bear, at which the session ends.
const (
	updatePackets  = 1 << 24
	updateInterval = time.Hour
	updateLimit    = 1 << 28
)

// rekeying is how a session replaces its keys. Before it replaces one, it asks
// with a ping whether the far end has seen it in use: 'K', u64 number.
type rekeying struct {
	key      UpdatingKey // nil if the session's key is for good
	number   uint64      // of the key for sending
	due      Instant     // when to ask, or ask again
	received uint64      // number of the far end's key
	forget   Instant     // when the one before is dropped; Never if there is none
}

const (
	rekeyMark = 'K'
	rekeySize = 1 + 8
)

func (r *rekeying) begin(now Instant, key SessionKey) {
	r.key, _ = key.(UpdatingKey)
	r.due, r.forget = reliability.Never, reliability.Never
	if r.key != nil {
		r.due = now.Add(updateInterval)
	}
}

func (r *rekeying) deadline() Instant { return min(r.due, r.forget) }

// updateKeys does what is due about the keys. It is called before packets are
// sealed and when the deadline has come, and reports false when the session has
// used up its key and is over.
func (s *Session) updateKeys(now Instant) bool {
	r := &s.rekeying
	if now >= r.forget {
		r.key.Forget()
		r.forget = reliability.Never
	}
	sealed := r.key.Sealed()
	if sealed >= updateLimit {
		s.finish(now, ErrKeysSpent)
		return false
	}
	if sealed >= updatePackets && r.due > now.Add(s.rekeyWait()) {
		r.due = now
	}
	if now >= r.due && s.state == StateOpen {
		r.due = now.Add(s.rekeyWait())
		s.addControl(wire.TypePing, binary.BigEndian.AppendUint64([]byte{rekeyMark}, r.number))
	}
	return true
}

// rekeyWait is how long an answer may take before the question is repeated.
func (s *Session) rekeyWait() time.Duration { return max(s.rtt.ERTO(), time.Second) }

// handleRekeyReply replaces the key that the far end has seen in use.
func (s *Session) handleRekeyReply(now Instant, message []byte) {
	r := &s.rekeying
	if r.key == nil || binary.BigEndian.Uint64(message[1:]) != r.number {
		return
	}
	r.key.Update()
	r.number++
	s.e.stats.KeysReplaced++
	r.due = now.Add(updateInterval)
}

// noteRekeyed keeps the far end's old key for a while, for packets that are
// late.
func (s *Session) noteRekeyed(now Instant) {
	r := &s.rekeying
	if number := r.key.Received(); number != r.received {
		r.received, r.forget = number, now.Add(max(time.Second, 3*s.rtt.ERTO()))
	}
}
