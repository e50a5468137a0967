package wire

import (
	"slices"

	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Report is what members tell each other about themselves and about members
// that they know of, on flow GR 1C.
//
//	u8      type 0a
//	option  0d address from which the sender sees the receiver
//	option  0a addresses of the sender, its server first
//	u8      00, end of the options
//	entry…  each:
//	  vlu     22, length of what names the member
//	  u8      21 0f peer[32]
//	  vlu     age
//	  option  0a addresses of the member, its server first; may be empty
//	  u8      00
type Report struct {
	// Seen is the address from which the sender sees the receiver. It is not
	// valid, as netip has it, if it was not told.
	Seen Address
	// Own are the sender's addresses.
	Own     []Address
	Entries []Entry
}

// Entry tells of a member.
type Entry struct {
	Peer [32]byte
	// Age is how many seconds ago somebody last heard of the member.
	Age uint64
	// Addrs are the member's addresses.
	Addrs []Address
}

const (
	optionSeen      = 0x0d
	optionAddresses = 0x0a

	// entryLen is how many bytes a member takes at least: its name, the age
	// and a marker.
	entryLen = 1 + PeerEPDLen + 1 + 1
)

// AppendReport appends a report. Seen is left out if it is not valid, which
// librtmfp does not understand. It panics when a bound is exceeded.
func AppendReport(b []byte, r Report) []byte {
	b = append(b, TypeReport)
	if r.Seen.IsValid() {
		b = vlu.Append(b, uint64(1+addressLen(r.Seen)))
		b = wire.AppendAddress(append(b, optionSeen), r.Seen)
	}
	b = vlu.AppendMarker(appendAddresses(b, r.Own))
	return appendEntries(b, r.Entries)
}

func appendEntries(b []byte, entries []Entry) []byte {
	if len(entries) > MaxEntries {
		panic("wire: too many members in a message")
	}
	for i := range entries {
		e := &entries[i]
		b = AppendPeerEPD(append(b, PeerEPDLen), e.Peer)
		b = vlu.Append(b, e.Age)
		b = vlu.AppendMarker(appendAddresses(b, e.Addrs))
	}
	return b
}

func appendAddresses(b []byte, addrs []Address) []byte {
	if len(addrs) > MaxAddresses {
		panic("wire: too many addresses of a member")
	}
	n := 1
	for _, a := range addrs {
		n += addressLen(a)
	}
	b = append(vlu.Append(b, uint64(n)), optionAddresses)
	for _, a := range addrs {
		b = wire.AppendAddress(b, a)
	}
	return b
}

func addressLen(a Address) int {
	if a.Addr().Unmap().Is4() {
		return 7
	}
	return 19
}

// ParseReport reads a report. Unknown options are ignored, among them the
// flags that original players send, and so are entries whose name is no
// fingerprint.
func ParseReport(b []byte) (Report, error) {
	var r Report
	p := reportParser{reader: open(b, TypeReport)}
	r.Seen = p.options()
	own := len(p.addrs)
	entries := p.entries()
	if p.Err != nil {
		return Report{}, p.Err
	}
	r.Own = part(p.addrs, 0, own)
	r.Entries = entries
	return r, nil
}

// part returns addresses of a slice, nil if there are none.
func part(addrs []Address, start, end int) []Address {
	if start == end {
		return nil
	}
	return addrs[start:end:end]
}

// A reportParser collects the addresses of all members in one slice.
type reportParser struct {
	reader
	addrs []Address
}

// tolerantOption reads an option or marker. Early versions of librtmfp wrote
// lengths as plain bytes; so when a length leads out of the message it is read
// again as one.
func (p *reportParser) tolerantOption() vlu.Option {
	if p.Err != nil {
		return vlu.Option{Marker: true}
	}
	if o, n, err := vlu.ParseOption(p.B); err == nil {
		p.B = p.B[n:]
		return o
	}
	length := int(p.Byte())
	if p.Err == nil && length < 0x80 {
		p.Fail(ErrTruncated) // it has been read so already
	}
	body := reader{vlu.Reader{B: p.Take(length), Err: p.Err}}
	kind := body.Number()
	if body.Err != nil {
		p.Fail(body.Err)
		return vlu.Option{Marker: true}
	}
	return vlu.Option{Type: kind, Value: body.Rest()}
}

// options reads an option list, collects the addresses of option 0a, and
// returns the first one of option 0d.
func (p *reportParser) options() (seen Address) {
	first := len(p.addrs)
	for {
		o := p.tolerantOption()
		if o.Marker {
			return seen
		}
		switch o.Type {
		case optionSeen:
			if len(o.Value) == 0 || seen.IsValid() {
				continue
			}
			a, _, err := wire.ParseAddress(o.Value)
			if err != nil {
				p.Fail(ErrMalformed)
			}
			seen = a
		case optionAddresses:
			p.addresses(o.Value, first)
		}
	}
}

func (p *reportParser) addresses(value []byte, first int) {
	for len(value) > 0 {
		a, n, err := wire.ParseAddress(value)
		switch {
		case err != nil:
			p.Fail(ErrMalformed)
			return
		case len(p.addrs)-first >= MaxAddresses:
			p.Fail(ErrLimit)
			return
		}
		p.addrs = append(p.addrs, a)
		value = value[n:]
	}
}

// entries reads members until the end of the message.
func (p *reportParser) entries() []Entry {
	most := min(len(p.B)/entryLen, MaxEntries)
	entries := make([]Entry, 0, most)
	p.addrs = slices.Grow(p.addrs, 2*most) // known peers tell 1 or 2
	start := len(p.addrs)
	var ends [MaxEntries]int // where the addresses of each entry end
	for count := 0; len(p.B) > 0; count++ {
		if count == MaxEntries {
			p.Fail(ErrLimit)
			return nil
		}
		first := len(p.addrs)
		peer, err := ParsePeerEPD(p.name())
		age := p.Number()
		p.options()
		if p.Err != nil {
			return nil
		}
		if err != nil {
			p.addrs = p.addrs[:first]
			continue
		}
		ends[len(entries)] = len(p.addrs)
		entries = append(entries, Entry{Peer: peer, Age: age})
	}
	// The slice has stopped moving: hand its parts out.
	for i := range entries {
		entries[i].Addrs = part(p.addrs, start, ends[i])
		start = ends[i]
	}
	if len(entries) == 0 {
		return nil
	}
	return entries
}

// name reads what names a member, with the same tolerance as an option, and
// returns it borrowed.
func (p *reportParser) name() []byte {
	length, n, err := vlu.Parse(p.B)
	if err != nil || length > uint64(len(p.B)-n) {
		length, n = uint64(p.B[0]), 1
	}
	p.Take(n)
	return p.Take(int(length))
}
