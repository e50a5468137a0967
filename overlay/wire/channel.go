package wire

import (
	"crypto/sha256"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// The options of a join.
const (
	optionJoinText = 0x10
	optionJoinHash = 0x15
)

// AppendJoin appends what a client says first on flow GC: the group that it
// joins. A flow joins one group; closing it leaves the group.
//
//	u8     type 01
//	option 15 group ID, 32 bytes
func AppendJoin(b []byte, group [32]byte) []byte {
	return vlu.AppendOption(append(b, TypeJoin), optionJoinHash, group[:])
}

// ParseJoin returns the ID of the group that is joined. Old players send the
// identity text of their groupspec (option 10), whose hash is the ID; newer
// ones the ID (option 15). What follows the option is ignored.
func ParseJoin(b []byte) (group [32]byte, err error) {
	r := open(b, TypeJoin)
	o := r.Option()
	switch {
	case r.Err != nil:
		return group, r.Err
	case o.Marker:
		return group, ErrMalformed
	case o.Type == optionJoinText:
		if len(o.Value) > MaxIdentityLen {
			return group, ErrLimit
		}
		return sha256.Sum256(o.Value), nil
	case o.Type != optionJoinHash || len(o.Value) != len(group):
		return group, ErrMalformed
	}
	copy(group[:], o.Value)
	return group, nil
}

// AppendMember appends the name of a member, which a server tells another one
// on flow GC.
//
//	u8 type 0b
//	u8 peer[32]
func AppendMember(b []byte, peer [32]byte) []byte {
	return append(append(b, TypeMember), peer[:]...)
}

// ParseMember returns the peer that a server names. What follows is ignored.
func ParseMember(b []byte) (peer [32]byte, err error) {
	r := open(b, TypeMember)
	peer = r.id()
	return peer, r.Err
}
