package wire

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Neighbors tells whom the sender is linked with, on flow GX 10.
//
//	u8     type 50
//	u8     flags: bit 0 differences to the list before
//	vlu    count
//	entry… each: u64 prefix; u8 flags: bit 0 ready, bit 1 relayed, bit 2 removed
type Neighbors struct {
	// Changes tells that List holds what differs from the list before, and not
	// all neighbors.
	Changes bool
	List    []Neighbor
}

// Neighbor is an entry of a list of neighbors.
type Neighbor struct {
	// Prefix is the first 8 bytes of the member's place on the ring, as a
	// big-endian number.
	Prefix uint64
	// Ready members have linked their ring neighbors, Relayed ones are linked
	// through another member. Removed ones are neighbors no more.
	Ready, Relayed, Removed bool
}

const neighborLen = 9

func flags(bits ...bool) (f byte) {
	for i, b := range bits {
		if b {
			f |= 1 << i
		}
	}
	return f
}

// AppendNeighbors appends a list of neighbors. It panics when the bound is
// exceeded.
func AppendNeighbors(b []byte, n Neighbors) []byte {
	if len(n.List) > MaxNeighbors {
		panic("wire: too many neighbors in a message")
	}
	b = append(b, TypeNeighbors, flags(n.Changes))
	b = vlu.Append(b, uint64(len(n.List)))
	for _, e := range n.List {
		b = binary.BigEndian.AppendUint64(b, e.Prefix)
		b = append(b, flags(e.Ready, e.Relayed, e.Removed))
	}
	return b
}

// ParseNeighbors reads a list of neighbors. Unknown flags are ignored.
func ParseNeighbors(b []byte) (Neighbors, error) {
	r := open(b, TypeNeighbors)
	n := Neighbors{Changes: r.Byte()&1 != 0}
	count := r.Count(MaxNeighbors)
	if entries := r.Take(count * neighborLen); r.Err == nil && count > 0 {
		n.List = make([]Neighbor, count)
		for i := range n.List {
			e := entries[i*neighborLen:]
			f := e[8]
			n.List[i] = Neighbor{binary.BigEndian.Uint64(e), f&1 != 0, f&2 != 0, f&4 != 0}
		}
	}
	if err := r.End(); err != nil {
		return Neighbors{}, err
	}
	return n, nil
}

// AppendSuspect appends that a member no longer answers the sender, on flow GX
// 10. The receiver looks for itself.
//
//	u8 type 51
//	u8 peer[32]
func AppendSuspect(b []byte, peer [32]byte) []byte {
	return append(append(b, TypeSuspect), peer[:]...)
}

// ParseSuspect returns the member that no longer answers.
func ParseSuspect(b []byte) (peer [32]byte, err error) {
	r := open(b, TypeSuspect)
	return r.id(), r.End()
}

// RefuseReason says why a member is refused as a neighbor.
type RefuseReason uint8

// The reasons.
const (
	// RefuseFull: there are as many neighbors as may be.
	RefuseFull RefuseReason = iota
	// RefusePrefix: there are enough from the same network.
	RefusePrefix
	// RefusePolicy: the settings do not allow it.
	RefusePolicy
)

// Refuse turns a member away that asked to be a neighbor, on flow GX 10, and
// names others that it may ask.
//
//	u8     type 52
//	u8     reason
//	entry… as in a report
type Refuse struct {
	Reason RefuseReason
	Others []Entry
}

// AppendRefuse appends a refusal. It panics when a bound is exceeded.
func AppendRefuse(b []byte, m Refuse) []byte {
	return appendEntries(append(b, TypeRefuse, byte(m.Reason)), m.Others)
}

// ParseRefuse reads a refusal. Reasons that are not known may come.
func ParseRefuse(b []byte) (Refuse, error) {
	p := reportParser{reader: open(b, TypeRefuse)}
	m := Refuse{Reason: RefuseReason(p.Byte())}
	m.Others = p.entries()
	if p.Err != nil {
		return Refuse{}, p.Err
	}
	return m, nil
}
