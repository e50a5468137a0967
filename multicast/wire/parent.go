package wire

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Request asks a neighbor to become the parent for a slice.
//
//	u8  type 61
//	u8  slice
//	vlu start
//	u8  value, in quarters
//	vlu flags: bit 0 urgent, bit 1 partial is fine
type Request struct {
	Slice uint8
	// Start is the first fragment that is wanted: the parent pushes at once
	// what it holds from there on.
	Start fragmenter.ID
	// Value is what the sender is worth as a child.
	Value Value
	// Urgent tells that the sender has no parent, PartialOK that it would be
	// content with what is left over.
	Urgent, PartialOK bool
}

const (
	requestUrgent    = 1 << 0
	requestPartialOK = 1 << 1
	acceptPartial    = 1 << 0
)

// AppendRequest appends the message.
func AppendRequest(b []byte, m Request) []byte {
	flags := byte(0)
	if m.Urgent {
		flags |= requestUrgent
	}
	if m.PartialOK {
		flags |= requestPartialOK
	}
	b = vlu.Append(append(b, TypeRequest, m.Slice), uint64(m.Start))
	return append(b, byte(m.Value), flags)
}

// ParseRequest reads the message.
func ParseRequest(b []byte) (Request, error) {
	r := open(b, TypeRequest)
	m := Request{Slice: r.slice(), Start: r.id(), Value: Value(r.Byte())}
	flags := r.Number()
	m.Urgent, m.PartialOK = flags&requestUrgent != 0, flags&requestPartialOK != 0
	if err := r.End(); err != nil {
		return Request{}, err
	}
	return m, nil
}

// Tag is the first two bytes of a node's group address: enough to find oneself
// in a chain of ancestors.
type Tag uint16

// Tags is a chain of ancestors, the nearest first. It is a value; the zero
// value is empty.
type Tags struct {
	tags [MaxTags]Tag
	n    uint8
}

// Add appends a tag. It reports false when the chain is full.
func (t *Tags) Add(tag Tag) bool {
	if int(t.n) == len(t.tags) {
		return false
	}
	t.tags[t.n] = tag
	t.n++
	return true
}

// Len returns the number of tags.
func (t *Tags) Len() int { return int(t.n) }

// At returns tag i.
func (t *Tags) At(i int) Tag { return t.tags[:t.n][i] }

// TagStandby parts a chain of ancestors: before it stand those through whom a
// slice comes now, behind it those through whom it would come without native
// multicast.
const TagStandby Tag = 0

// Now returns the part of the chain through which the slice comes now, Standby
// the part that stands by.
func (t *Tags) Now() (now Tags) {
	now.n = uint8(t.parting())
	copy(now.tags[:], t.tags[:now.n])
	return now
}

// Standby returns the part of the chain that stands by; see Now.
func (t *Tags) Standby() (standby Tags) {
	if i := t.parting() + 1; i < int(t.n) {
		standby.n = t.n - uint8(i)
		copy(standby.tags[:], t.tags[i:t.n])
	}
	return standby
}

// IsRooted reports whether the chain leads up to the source, as far as can be
// told: that of a node with no standby ends with TagStandby.
func (t *Tags) IsRooted() bool { return t.n == 0 || t.tags[t.n-1] != TagStandby }

// parting returns where the first TagStandby is, or the length.
func (t *Tags) parting() int {
	for i, tag := range t.tags[:t.n] {
		if tag == TagStandby {
			return i
		}
	}
	return int(t.n)
}

// Contains reports whether the tag is in the chain.
func (t *Tags) Contains(tag Tag) bool {
	for _, other := range t.tags[:t.n] {
		if other == tag {
			return true
		}
	}
	return false
}

func appendTags(b []byte, t *Tags) []byte {
	b = vlu.Append(b, uint64(t.n))
	for _, tag := range t.tags[:t.n] {
		b = binary.BigEndian.AppendUint16(b, uint16(tag))
	}
	return b
}

func (r *reader) tags() Tags {
	var t Tags
	for range r.Count(MaxTags) {
		t.Add(Tag(r.Byte())<<8 | Tag(r.Byte()))
	}
	return t
}

// Accept answers a request: the sender pushes the slice from Start on.
//
//	u8  type 62
//	u8  slice
//	vlu start
//	vlu flags: bit 0 partial
//	vlu count of tags
//	u16 tag[count]
type Accept struct {
	Slice uint8
	Start fragmenter.ID
	// Partial tells that the child gets only what is left over.
	Partial bool
	// Ancestors are the sender's parents in the slice.
	Ancestors Tags
}

// AppendAccept appends the message.
func AppendAccept(b []byte, m *Accept) []byte {
	flags := byte(0)
	if m.Partial {
		flags |= acceptPartial
	}
	b = vlu.Append(append(b, TypeAccept, m.Slice), uint64(m.Start))
	return appendTags(append(b, flags), &m.Ancestors)
}

// ParseAccept reads the message.
func ParseAccept(b []byte) (Accept, error) {
	r := open(b, TypeAccept)
	m := Accept{Slice: r.slice(), Start: r.id(), Partial: r.Number()&acceptPartial != 0, Ancestors: r.tags()}
	if err := r.End(); err != nil {
		return Accept{}, err
	}
	return m, nil
}

// RefuseReason says why a request is refused.
type RefuseReason uint8

// The reasons.
const (
	RefuseFull    RefuseReason = 0 // no slot is left
	RefuseNoOwner RefuseReason = 1 // the sender does not get the slice itself
	RefuseLoop    RefuseReason = 2 // the requester is above the sender
	RefuseLeaf    RefuseReason = 3 // the sender relays nothing
	RefusePolicy  RefuseReason = 4
)

// Refuse answers a request with no.
//
//	u8  type 63
//	u8  slice
//	vlu reason
type Refuse struct {
	Slice uint8
	// Reason may be one that is not known: treat it as RefusePolicy.
	Reason RefuseReason
}

// AppendRefuse appends the message.
func AppendRefuse(b []byte, m Refuse) []byte {
	return vlu.Append(append(b, TypeRefuse, m.Slice), uint64(m.Reason))
}

// ParseRefuse reads the message.
func ParseRefuse(b []byte) (Refuse, error) {
	r := open(b, TypeRefuse)
	m := Refuse{Slice: r.slice(), Reason: RefuseReason(r.Count(255))}
	if err := r.End(); err != nil {
		return Refuse{}, err
	}
	return m, nil
}

// Stop tells a parent up to where it is to push a slice.
//
//	u8  type 64
//	u8  slice
//	vlu stop
type Stop struct {
	Slice uint8
	// Stop is the first fragment that is not to be pushed, 0 to end at once.
	Stop fragmenter.ID
}

// AppendStop appends the message.
func AppendStop(b []byte, m Stop) []byte {
	return vlu.Append(append(b, TypeStop, m.Slice), uint64(m.Stop))
}

// ParseStop reads the message.
func ParseStop(b []byte) (Stop, error) {
	r := open(b, TypeStop)
	m := Stop{r.slice(), r.id()}
	if err := r.End(); err != nil {
		return Stop{}, err
	}
	return m, nil
}

// Evict tells a child that it will be served only up to a fragment and should
// look for another parent.
//
//	u8  type 65
//	u8  slice
//	vlu stop
type Evict struct {
	Slice uint8
	// Stop is the first fragment that is not pushed any more.
	Stop fragmenter.ID
}

// AppendEvict appends the message.
func AppendEvict(b []byte, m Evict) []byte {
	return vlu.Append(append(b, TypeEvict, m.Slice), uint64(m.Stop))
}

// ParseEvict reads the message.
func ParseEvict(b []byte) (Evict, error) {
	r := open(b, TypeEvict)
	m := Evict{r.slice(), r.id()}
	if err := r.End(); err != nil {
		return Evict{}, err
	}
	return m, nil
}

// Ancestors tells a child that the chain above its parent has changed.
//
//	u8  type 6a
//	u8  slice
//	vlu count of tags
//	u16 tag[count]
type Ancestors struct {
	Slice uint8
	Tags  Tags
}

// AppendAncestors appends the message.
func AppendAncestors(b []byte, m *Ancestors) []byte {
	return appendTags(append(b, TypeAncestors, m.Slice), &m.Tags)
}

// ParseAncestors reads the message.
func ParseAncestors(b []byte) (Ancestors, error) {
	r := open(b, TypeAncestors)
	m := Ancestors{r.slice(), r.tags()}
	if err := r.End(); err != nil {
		return Ancestors{}, err
	}
	return m, nil
}
