package wire

import "github.com/ringcast/ringcast/rtmfp/vlu"

// Fragmentation tells which part of a message a fragment is.
type Fragmentation uint8

// The parts of a message.
const (
	Whole Fragmentation = iota
	Begin
	End
	Middle
)

// UserData is a fragment of a message of a flow (RFC 7016 section 2.3.11), or,
// as NextUserData, the one after the last of the same flow in the same packet
// (section 2.3.12), without the three numbers.
//
//	u8  bit 7 options, bits 5-4 fragmentation, bit 1 abandoned, bit 0 final
//	vlu flowID
//	vlu sequenceNumber
//	vlu fsnOffset
//	options and a Marker, if bit 7
//	u8  data[…]
type UserData struct {
	Fragmentation Fragmentation
	// Abandoned tells that the number will never be sent with data.
	Abandoned bool
	// Final tells that it is the flow's last number.
	Final          bool
	FlowID         FlowID
	SequenceNumber SequenceNumber
	// ForwardSequenceNumber tells that nothing up to it will be sent again.
	ForwardSequenceNumber SequenceNumber
	// Options is an option list with its Marker, or nil.
	Options []byte
	Data    []byte
}

const (
	flagOptions   = 0x80
	flagAbandoned = 0x02
	flagFinal     = 0x01
)

// UserDataMax is the most bytes that a User Data chunk has beside its options
// and data.
const UserDataMax = ChunkHeader + 1 + 3*vlu.MaxLen

func (c *UserData) flags() byte {
	flags := byte(c.Fragmentation&3) << 4
	if len(c.Options) > 0 {
		flags |= flagOptions
	}
	if c.Abandoned {
		flags |= flagAbandoned
	}
	if c.Final {
		flags |= flagFinal
	}
	return flags
}

// AppendUserData appends the chunk.
func AppendUserData(b []byte, c *UserData) []byte {
	b, at := open(b, TypeUserData)
	b = append(b, c.flags())
	b = vlu.Append(b, uint64(c.FlowID))
	b = vlu.Append(b, uint64(c.SequenceNumber))
	b = vlu.Append(b, uint64(c.SequenceNumber-c.ForwardSequenceNumber))
	return shut(append(append(b, c.Options...), c.Data...), at)
}

// Len returns how many bytes AppendUserData writes.
func (c *UserData) Len() int {
	return ChunkHeader + 1 + vlu.Len(uint64(c.FlowID)) + vlu.Len(uint64(c.SequenceNumber)) +
		vlu.Len(uint64(c.SequenceNumber-c.ForwardSequenceNumber)) + len(c.Options) + len(c.Data)
}

// AppendNextUserData appends the chunk; the numbers are left out.
func AppendNextUserData(b []byte, c *UserData) []byte {
	b, at := open(b, TypeNextUserData)
	b = append(b, c.flags())
	return shut(append(append(b, c.Options...), c.Data...), at)
}

// NextLen returns how many bytes AppendNextUserData writes.
func (c *UserData) NextLen() int { return ChunkHeader + 1 + len(c.Options) + len(c.Data) }

// ParseUserData reads the chunk's payload. Data of an abandoned fragment is
// dropped, as its receiver must.
func ParseUserData(b []byte) (c UserData, err error) {
	if len(b) == 0 {
		return UserData{}, ErrMalformed
	}
	flags := b[0]
	b = b[1:]
	var numbers [3]uint64
	for i := range numbers {
		v, n, err := vlu.Parse(b)
		if err != nil {
			return UserData{}, ErrMalformed
		}
		numbers[i], b = v, b[n:]
	}
	sequence, offset := numbers[1], numbers[2]
	if sequence == 0 || offset > sequence || offset == 0 && flags&flagAbandoned == 0 {
		return UserData{}, ErrMalformed
	}
	c.FlowID, c.SequenceNumber = FlowID(numbers[0]), SequenceNumber(sequence)
	c.ForwardSequenceNumber = SequenceNumber(sequence - offset)
	return c, c.parseRest(flags, b)
}

// ParseNextUserData reads the payload of the chunk that follows previous.
func ParseNextUserData(b []byte, previous *UserData) (c UserData, err error) {
	if len(b) == 0 || previous.SequenceNumber == 1<<64-1 {
		return UserData{}, ErrMalformed
	}
	c.FlowID, c.SequenceNumber = previous.FlowID, previous.SequenceNumber+1
	c.ForwardSequenceNumber = previous.ForwardSequenceNumber
	return c, c.parseRest(b[0], b[1:])
}

func (c *UserData) parseRest(flags byte, b []byte) error {
	c.Fragmentation = Fragmentation(flags >> 4 & 3)
	c.Abandoned, c.Final = flags&flagAbandoned != 0, flags&flagFinal != 0
	if flags&flagOptions != 0 {
		n, err := optionListLen(b)
		if err != nil {
			return err
		}
		c.Options, b = b[:n], b[n:]
	}
	if !c.Abandoned {
		c.Data = b
	}
	return nil
}

// optionListLen returns the length of the option list at the start of b, with
// its Marker.
func optionListLen(b []byte) (int, error) {
	for n := 0; ; {
		o, k, err := vlu.ParseOption(b[n:])
		if err != nil {
			return 0, ErrMalformed
		}
		if n += k; o.Marker {
			return n, nil
		}
	}
}

// FlowOptions are the options of a flow's first chunks.
type FlowOptions struct {
	// Metadata says what the flow is for; nil when there is none.
	Metadata []byte
	// ReturnFlow is the flow in the other direction that this one answers.
	ReturnFlow    FlowID
	HasReturnFlow bool
	// Unsupported tells of an option that must be understood and is not.
	Unsupported bool
}

const (
	optionMetadata   = 0x00
	optionReturnFlow = 0x0a
	// Options of types below this must be understood.
	optionalTypes = 0x2000
)

// AppendFlowOptions appends an option list with its Marker.
func AppendFlowOptions(b []byte, o FlowOptions) []byte {
	b = vlu.AppendOption(b, optionMetadata, o.Metadata)
	if o.HasReturnFlow {
		b = vlu.AppendNumberOption(b, optionReturnFlow, uint64(o.ReturnFlow))
	}
	return vlu.AppendMarker(b)
}

// ParseFlowOptions reads an option list.
func ParseFlowOptions(b []byte) (o FlowOptions, err error) {
	for len(b) > 0 {
		option, n, err := vlu.ParseOption(b)
		if err != nil {
			return FlowOptions{}, ErrMalformed
		}
		b = b[n:]
		switch {
		case option.Marker:
			return o, nil
		case option.Type == optionMetadata:
			// Not nil even when empty: a flow may have empty metadata, but
			// must have some.
			o.Metadata = option.Value[:len(option.Value):len(option.Value)]
			if o.Metadata == nil {
				o.Metadata = []byte{}
			}
		case option.Type == optionReturnFlow:
			id, _, err := vlu.Parse(option.Value)
			if err != nil {
				return FlowOptions{}, ErrMalformed
			}
			o.ReturnFlow, o.HasReturnFlow = FlowID(id), true
		case option.Type < optionalTypes:
			o.Unsupported = true
		}
	}
	return o, nil
}
