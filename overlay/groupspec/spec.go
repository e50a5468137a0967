package groupspec

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

const (
	// Prefix begins every groupspec.
	Prefix = "G:"
	// MaxVersion is the newest version of groupspecs that is understood.
	MaxVersion = 2
	// MaxLen is the longest groupspec that is taken, in bytes of text: a
	// defence of memory.
	MaxLen = 16 << 10
	// MaxAddresses and MaxPeers are the most multicast addresses and bootstrap
	// peers of a groupspec: a defence against one that makes us call on many.
	MaxAddresses = 32
	MaxPeers     = 64
)

// Errors of Parse. What it returns wraps one of them and says where.
var (
	// ErrPrefix means that the text does not begin with "G:".
	ErrPrefix = errors.New(`groupspec: does not begin with "G:"`)
	// ErrHex means that the rest is not hexadecimal.
	ErrHex = errors.New("groupspec: not hexadecimal")
	// ErrTruncated means that the groupspec ends inside an option or before
	// the marker that ends its identity.
	ErrTruncated = errors.New("groupspec: cut off")
	// ErrOption means that an option does not have the shape of its type.
	ErrOption = errors.New("groupspec: malformed option")
	// ErrVersion means that the version is not known.
	ErrVersion = errors.New("groupspec: unknown version")
	// ErrLimit means that the groupspec exceeds a bound of this package.
	ErrLimit = errors.New("groupspec: exceeds a bound")
)

// Spec is a groupspec. It does not change; it may be used from several places
// at once.
type Spec struct {
	text     string
	identity string
	id       [32]byte
	options  []Option
	settings Settings
}

// Parse reads a groupspec and keeps its text. The digits may be of either case,
// and the options in any order; but each spelling names a group of its own.
// Options that are not known are accepted.
func Parse(text string) (*Spec, error) {
	if len(text) > MaxLen {
		return nil, fmt.Errorf("%w: %d characters, at most %d", ErrLimit, len(text), MaxLen)
	}
	digits, ok := strings.CutPrefix(text, Prefix)
	if !ok {
		return nil, ErrPrefix
	}
	b, err := hex.DecodeString(digits)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, fmt.Errorf("%w: an odd number of digits", ErrHex)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrHex, err)
	}
	s := &Spec{text: text}
	if err := s.walk(b); err != nil {
		return nil, err
	}
	if err := s.settings.read(s.options); err != nil {
		return nil, err
	}
	s.id = sha256.Sum256([]byte(s.identity))
	if s.settings.Version > 1 {
		s.id = sha256.Sum256(s.id[:])
	}
	return s, nil
}

// walk splits b into options and finds the identity.
func (s *Spec) walk(b []byte) error {
	part := Identity
	for at := 0; at < len(b); {
		o, n, err := vlu.ParseOption(b[at:])
		start := len(Prefix) + 2*at
		if err != nil {
			return fmt.Errorf("%w: option at character %d: %w", ErrTruncated, start+1, err)
		}
		if o.Marker && part == Identity {
			s.identity = s.text[:start]
			part = Extra
		}
		s.options = append(s.options, Option{
			Part: part, Type: o.Type, Value: o.Value, Marker: o.Marker, Text: s.text[start : start+2*n],
		})
		at += n
	}
	if part == Identity {
		return fmt.Errorf("%w: no marker 00 after the identity", ErrTruncated)
	}
	return nil
}

// String returns the groupspec as it was read or made, with whatever passwords
// it has.
func (s *Spec) String() string { return s.text }

// Identity returns the text from "G:" up to the marker, without it. It is the
// secret of the group: the key of the proofs that members give to each other.
func (s *Spec) Identity() string { return s.identity }

// ID returns what names the group to servers and peers: the hash of the
// identity, and from version 2 on the hash of that.
func (s *Spec) ID() [32]byte { return s.id }

// Settings returns what the groupspec says. Its slices are shared and must not
// be changed.
func (s *Spec) Settings() Settings { return s.settings }

// Options returns all options in their order, the markers included. They are
// shared and must not be changed.
func (s *Spec) Options() []Option { return s.options }

// WithoutAuthorizations returns the groupspec's text without its passwords, to
// be given to those who may only watch and listen.
func (s *Spec) WithoutAuthorizations() string {
	text := strings.Builder{}
	text.WriteString(Prefix)
	for _, o := range s.options {
		if !o.isAuthorization() {
			text.WriteString(o.Text)
		}
	}
	return text.String()
}

// Authorizations returns the passwords alone, in a form that With adds to a
// groupspec.
func (s *Spec) Authorizations() string {
	text := ""
	for _, o := range s.options {
		if o.isAuthorization() {
			text += o.Text
		}
	}
	return text
}

// With returns the groupspec with more options after its own, as the Encode
// functions and Authorizations make them. They may have been joined.
func (s *Spec) With(encoded ...string) (*Spec, error) {
	return Parse(s.text + strings.Join(encoded, ""))
}

// Keys derives the keys of datagrams on native IP multicast, by which the
// groups on one address stay apart: one for encryption and one for the tag.
// They are this project's own; how others derive theirs is not known.
func (s *Spec) Keys() (enc [16]byte, mac [32]byte) {
	derive := func(label string) []byte {
		h := hmac.New(sha256.New, []byte(s.identity))
		h.Write([]byte(label))
		return h.Sum(nil)
	}
	copy(enc[:], derive("ours:ipmc-enc:v1"))
	copy(mac[:], derive("ours:ipmc-mac:v1"))
	return enc, mac
}
