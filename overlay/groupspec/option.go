package groupspec

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// The types of options.
const (
	optionVersion       = 0x7f
	optionRouting       = 0x00
	optionMulticast     = 0x01
	optionReplication   = 0x02
	optionPosting       = 0x03
	optionPublish       = 0x05 // verifier of the password
	optionPost          = 0x07
	optionAddress       = 0x0a
	optionBootstrap     = 0x0b
	optionServerChannel = 0x0c
	optionPeerDisabled  = 0x0d
	optionTag           = 0x0e // the name, then what makes the group unique
	optionMemberUpdates = 0x1b

	// A password is proved by the option of its verifier plus 10 hexadecimal.
	optionPublishPassword = 0x15
	optionPostPassword    = 0x17
)

// Part tells the two parts of a groupspec apart.
type Part uint8

// The parts.
const (
	// Identity is before the marker.
	Identity Part = iota
	// Extra is the marker and what follows.
	Extra
)

// Option is an option of a groupspec.
type Option struct {
	Part  Part
	Type  uint64
	Value []byte
	// Marker is set for the empty option.
	Marker bool
	// Text is the option as it stands in the groupspec, in hexadecimal.
	Text string
}

// isAuthorization reports whether o holds a password in clear.
func (o *Option) isAuthorization() bool {
	return o.Part == Extra && !o.Marker && (o.Type == optionPublishPassword || o.Type == optionPostPassword)
}

// Head returns the length and the type, and Body the value, in hexadecimal.
func (o *Option) Head() string { return o.Text[:len(o.Text)-2*len(o.Value)] }

// Body returns the value in hexadecimal.
func (o *Option) Body() string { return o.Text[len(o.Text)-2*len(o.Value):] }

// Meaning says in a few words what the option is. Secrets are shown.
func (o *Option) Meaning() string {
	if o.Marker {
		return "end of the identity"
	}
	if o.Part == Extra {
		return o.extraMeaning()
	}
	switch o.Type {
	case optionVersion:
		return "version " + number(o.Value)
	case optionRouting:
		return "directed routing"
	case optionMulticast:
		return "multicast streams"
	case optionReplication:
		return "object replication"
	case optionPosting:
		return "posting"
	case optionPublish:
		return "password for publishing, " + verifierMeaning(o.Value)
	case optionPost:
		return "password for posting, " + verifierMeaning(o.Value)
	case optionServerChannel:
		return "server channel"
	case optionPeerDisabled:
		return "no links between peers"
	case optionTag:
		return tagMeaning(o.Value)
	case optionMemberUpdates:
		return "member updates on IP multicast"
	}
	return fmt.Sprintf("not known (type %#02x)", o.Type)
}

func (o *Option) extraMeaning() string {
	switch o.Type {
	case optionAddress:
		if m, err := parseAddressOption(o.Value); err == nil {
			return "IP multicast " + m.String()
		}
		return "IP multicast address, malformed"
	case optionBootstrap:
		return "bootstrap peer " + hex.EncodeToString(o.Value)
	case optionPublishPassword:
		return "password for publishing: " + strconv.Quote(string(o.Value))
	case optionPostPassword:
		return "password for posting: " + strconv.Quote(string(o.Value))
	}
	return fmt.Sprintf("not known (type %#02x)", o.Type)
}

// tagMeaning tells a name from random bytes by whether it can be printed.
func tagMeaning(value []byte) string {
	printable := utf8.Valid(value) && !strings.ContainsFunc(string(value), func(r rune) bool { return !unicode.IsPrint(r) })
	if !printable {
		return fmt.Sprintf("%d bytes that make the group unique", len(value))
	}
	return "name " + strconv.Quote(string(value))
}

func number(value []byte) string {
	v, _, err := vlu.Parse(value)
	if err != nil {
		return "malformed"
	}
	return strconv.FormatUint(v, 10)
}

func verifierMeaning(value []byte) string {
	v, err := parseVerifier(value)
	switch {
	case err != nil:
		return "malformed"
	case len(v.Salt) == 0:
		return "hash without salt"
	}
	return "hash with salt " + strconv.Quote(string(v.Salt))
}
