package wire

import "github.com/ringcast/ringcast/rtmfp/vlu"

// RelayOpen asks for a circuit to a member, on flow GX 10. The relay gets it
// without an opener. It passes it on to the target with a circuit number of its
// own and the opener's name.
//
//	u8  type 53
//	vlu circuit, chosen by the sender: odd if it opened the session, else even
//	u8  target[32]
//	u8  opener[32], only when passed on
type RelayOpen struct {
	Circuit uint64
	Target  [32]byte
	// Opener is who asked first; not told (HasOpener is false) by itself.
	Opener    [32]byte
	HasOpener bool
}

// AppendRelayOpen appends a request for a circuit.
func AppendRelayOpen(b []byte, m RelayOpen) []byte {
	b = vlu.Append(append(b, TypeRelayOpen), m.Circuit)
	b = append(b, m.Target[:]...)
	if m.HasOpener {
		b = append(b, m.Opener[:]...)
	}
	return b
}

// ParseRelayOpen reads a request for a circuit.
func ParseRelayOpen(b []byte) (RelayOpen, error) {
	r := open(b, TypeRelayOpen)
	m := RelayOpen{Circuit: r.Number(), Target: r.id()}
	if m.HasOpener = len(r.B) > 0; m.HasOpener {
		m.Opener = r.id()
	}
	if err := r.End(); err != nil {
		return RelayOpen{}, err
	}
	return m, nil
}

// AppendRelayData appends a datagram on a circuit. A datagram longer than
// MaxRelayData is a caller error and panics.
//
//	u8  type 54
//	vlu circuit
//	u8  datagram[…]
func AppendRelayData(b []byte, circuit uint64, datagram []byte) []byte {
	if len(datagram) > MaxRelayData {
		panic("wire: datagram is too long for a circuit")
	}
	return append(vlu.Append(append(b, TypeRelayData), circuit), datagram...)
}

// ParseRelayData reads a datagram on a circuit. The datagram is borrowed from
// b.
func ParseRelayData(b []byte) (circuit uint64, datagram []byte, err error) {
	r := open(b, TypeRelayData)
	circuit = r.Number()
	datagram = r.Rest()
	if r.Err == nil && len(datagram) > MaxRelayData {
		r.Fail(ErrLimit)
	}
	if r.Err != nil {
		return 0, nil, r.Err
	}
	return circuit, datagram, nil
}

// RelayReason says why a circuit ends.
type RelayReason uint8

// The reasons.
const (
	// RelayDone: an end needs it no more.
	RelayDone RelayReason = iota
	// RelayUnknown: the relay is not linked with the target.
	RelayUnknown
	// RelayFull: the relay has as many circuits as it takes.
	RelayFull
	// RelayLost: the relay has lost the other end.
	RelayLost
	// RelayPolicy: the settings do not allow it.
	RelayPolicy
)

// AppendRelayClose appends the end of a circuit.
//
//	u8  type 55
//	vlu circuit
//	u8  reason
func AppendRelayClose(b []byte, circuit uint64, reason RelayReason) []byte {
	return append(vlu.Append(append(b, TypeRelayClose), circuit), byte(reason))
}

// ParseRelayClose reads the end of a circuit. Reasons that are not known may
// come.
func ParseRelayClose(b []byte) (circuit uint64, reason RelayReason, err error) {
	r := open(b, TypeRelayClose)
	circuit = r.Number()
	reason = RelayReason(r.Byte())
	if err := r.End(); err != nil {
		return 0, 0, err
	}
	return circuit, reason, nil
}
