package groupspec

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// UniqueLen is how many random bytes make a group unique.
const UniqueLen = 32

// Settings are what a groupspec says. The names are those of the original
// GroupSpecifier class without "Enabled"; a comment gives them where they
// differ. The zero value, with a Name, makes a group in which nothing is
// allowed.
type Settings struct {
	// Version is 1 or 2; 0 makes the newest (minGroupspecVersion). Members with
	// players of before 2012 need version 1, in which a server that is shown
	// the identity learns the group's secret.
	Version int
	// Name is the group's name. It must not be empty; it can be guessed, and
	// then the group is open to whoever does.
	Name string
	// Unique tells groups of one name apart and makes a groupspec that nobody
	// can guess: UniqueLen random bytes, or nil. See MakeUnique.
	Unique []byte

	Routing           bool
	Multicast         bool
	ObjectReplication bool
	Posting           bool
	ServerChannel     bool
	// PeerToPeerDisabled leaves only native IP multicast.
	PeerToPeerDisabled bool
	// MemberUpdates lets members find each other by native IP multicast
	// (ipMulticastMemberUpdatesEnabled).
	MemberUpdates bool

	// Publish and Post check the passwords for publishing streams and for
	// posting; nil for none. PublishPassword and PostPassword are the passwords
	// themselves, of those who have them.
	Publish, Post                 *Verifier
	PublishPassword, PostPassword string

	// Addresses are those of native IP multicast, at most MaxAddresses.
	Addresses []Address
	// BootstrapPeers are the IDs of peers to begin with, at most MaxPeers.
	BootstrapPeers [][32]byte
}

// MakeUnique draws Unique from entropy.
func (s *Settings) MakeUnique(entropy io.Reader) error {
	unique := make([]byte, UniqueLen)
	if _, err := io.ReadFull(entropy, unique); err != nil {
		return fmt.Errorf("groupspec: read entropy: %w", err)
	}
	s.Unique = unique
	return nil
}

// SetPublishPassword makes publishing depend on a password; without one it
// removes the need. The salt may be empty.
func (s *Settings) SetPublishPassword(password, salt string) {
	s.PublishPassword, s.Publish = password, newVerifier(password, salt)
}

// SetPostPassword makes posting depend on a password; without one it removes
// the need. The salt may be empty (setPostingPassword).
func (s *Settings) SetPostPassword(password, salt string) {
	s.PostPassword, s.Post = password, newVerifier(password, salt)
}

// MayPublish reports whether the settings allow to publish streams, with the
// password that they hold. Nothing on the wire proves it to others.
func (s *Settings) MayPublish() bool {
	return s.Multicast && (s.Publish == nil || s.Publish.Check(s.PublishPassword))
}

// MayPost reports whether the settings allow to post, with the password that
// they hold. Nothing on the wire proves it to others.
func (s *Settings) MayPost() bool {
	return s.Posting && (s.Post == nil || s.Post.Check(s.PostPassword))
}

// New makes a groupspec, with authorizations if the settings have passwords.
func New(s Settings) (*Spec, error) {
	if s.Version == 0 {
		s.Version = MaxVersion
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	b := s.appendIdentity(nil)
	b = vlu.AppendMarker(b)
	for _, a := range s.Addresses {
		b = appendAddressOption(b, a)
	}
	for _, p := range s.BootstrapPeers {
		b = vlu.AppendOption(b, optionBootstrap, p[:])
	}
	if s.PublishPassword != "" {
		b = vlu.AppendOption(b, optionPublishPassword, []byte(s.PublishPassword))
	}
	if s.PostPassword != "" {
		b = vlu.AppendOption(b, optionPostPassword, []byte(s.PostPassword))
	}
	return Parse(Prefix + hex.EncodeToString(b))
}

func (s *Settings) validate() error {
	switch {
	case s.Version < 1 || s.Version > MaxVersion:
		return fmt.Errorf("%w: version is %d, must be 1 to %d", ErrVersion, s.Version, MaxVersion)
	case s.Name == "":
		return fmt.Errorf("%w: the name is empty", ErrOption)
	case s.Unique != nil && len(s.Unique) != UniqueLen:
		return fmt.Errorf("%w: unique has %d bytes, must have %d", ErrOption, len(s.Unique), UniqueLen)
	}
	for _, a := range s.Addresses {
		if err := a.validate(); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		what     string
		verifier *Verifier
		password string
	}{{"publishing", s.Publish, s.PublishPassword}, {"posting", s.Post, s.PostPassword}} {
		if c.password != "" && c.verifier == nil {
			return fmt.Errorf("%w: a password for %s, but nothing that checks it", ErrOption, c.what)
		}
		if c.password != "" && !c.verifier.Check(c.password) {
			return fmt.Errorf("%w: the password for %s is not the one that is checked", ErrOption, c.what)
		}
	}
	return nil
}

// appendIdentity appends the identity's options in the order in which the
// original player writes them.
func (s *Settings) appendIdentity(b []byte) []byte {
	flag := func(set bool, kind uint64) {
		if set {
			b = vlu.AppendOption(b, kind, nil)
		}
	}
	if s.Version > 1 {
		b = vlu.AppendNumberOption(b, optionVersion, uint64(s.Version))
	}
	flag(s.Routing, optionRouting)
	flag(s.Multicast, optionMulticast)
	flag(s.ObjectReplication, optionReplication)
	flag(s.Posting, optionPosting)
	b = s.Publish.append(b, optionPublish)
	b = s.Post.append(b, optionPost)
	flag(s.ServerChannel, optionServerChannel)
	flag(s.PeerToPeerDisabled, optionPeerDisabled)
	b = vlu.AppendOption(b, optionTag, []byte(s.Name))
	if s.Unique != nil {
		b = vlu.AppendOption(b, optionTag, s.Unique)
	}
	flag(s.MemberUpdates, optionMemberUpdates)
	return b
}

// read takes the settings from options.
func (s *Settings) read(options []Option) error {
	s.Version = 1
	for i := range options {
		o := &options[i]
		var err error
		switch {
		case o.Marker:
		case o.Part == Identity:
			err = s.readIdentity(o)
		default:
			err = s.readExtra(o)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", o.Text, err)
		}
	}
	return nil
}

func (s *Settings) readIdentity(o *Option) (err error) {
	switch o.Type {
	case optionVersion:
		v, n, err := vlu.Parse(o.Value)
		switch {
		case err != nil || n != len(o.Value):
			return ErrOption
		case v < 1 || v > MaxVersion:
			return fmt.Errorf("%w %d", ErrVersion, v)
		}
		s.Version = int(v)
	case optionRouting:
		s.Routing = true
	case optionMulticast:
		s.Multicast = true
	case optionReplication:
		s.ObjectReplication = true
	case optionPosting:
		s.Posting = true
	case optionPublish:
		s.Publish, err = parseVerifier(o.Value)
	case optionPost:
		s.Post, err = parseVerifier(o.Value)
	case optionServerChannel:
		s.ServerChannel = true
	case optionPeerDisabled:
		s.PeerToPeerDisabled = true
	case optionTag:
		if s.Name == "" {
			s.Name = string(o.Value)
		} else {
			s.Unique = o.Value
		}
	case optionMemberUpdates:
		s.MemberUpdates = true
	}
	return err
}

func (s *Settings) readExtra(o *Option) error {
	switch o.Type {
	case optionAddress:
		a, err := parseAddressOption(o.Value)
		switch {
		case err != nil:
			return err
		case len(s.Addresses) == MaxAddresses:
			return fmt.Errorf("%w: more than %d multicast addresses", ErrLimit, MaxAddresses)
		}
		s.Addresses = append(s.Addresses, a)
	case optionBootstrap:
		switch {
		case len(o.Value) != 32:
			return fmt.Errorf("%w: a peer ID has 32 bytes", ErrOption)
		case len(s.BootstrapPeers) == MaxPeers:
			return fmt.Errorf("%w: more than %d bootstrap peers", ErrLimit, MaxPeers)
		}
		s.BootstrapPeers = append(s.BootstrapPeers, [32]byte(o.Value))
	case optionPublishPassword:
		s.PublishPassword = string(o.Value)
	case optionPostPassword:
		s.PostPassword = string(o.Value)
	}
	return nil
}
