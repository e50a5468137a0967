package wire

import "crypto/sha256"

// PostKey names a post between neighbors. How others make it is not known, so
// a key that came from a peer says nothing about its value.
type PostKey [8]byte

// PostID is the name of a post for applications: the hash of its bytes.
type PostID [32]byte

// NewPostID returns the ID of a post that is these bytes on the wire.
func NewPostID(value []byte) PostID { return sha256.Sum256(value) }

// Key returns the key under which our own nodes announce the post.
func (id PostID) Key() PostKey { return PostKey(id[:8]) }

// AppendPostHave appends that the sender has posts, on flow GR 18. Known peers
// send one key in each message. It panics when the bound is exceeded.
//
//	u8 type 30
//	u8 key[8]…
func AppendPostHave(b []byte, keys ...PostKey) []byte { return appendPostKeys(b, TypePostHave, keys) }

// AppendPostWant appends a request for posts, on flow GR 18.
//
//	u8 type 3a
//	u8 key[8]…
func AppendPostWant(b []byte, keys ...PostKey) []byte { return appendPostKeys(b, TypePostWant, keys) }

func appendPostKeys(b []byte, kind byte, keys []PostKey) []byte {
	if len(keys) > MaxPostKeys {
		panic("wire: too many keys in a message")
	}
	b = append(b, kind)
	for _, k := range keys {
		b = append(b, k[:]...)
	}
	return b
}

// IsPostKeys reports whether a message of flow GR 18 or GR 19 holds keys. Known
// peers take keys and values on either.
func IsPostKeys(b []byte) bool {
	kind, ok := Kind(b)
	return ok && (kind == TypePostHave || kind == TypePostWant)
}

// ParsePostKeys appends the keys of a have or want to dst, and reports whether
// they are wanted. There is at least one.
func ParsePostKeys(dst []PostKey, b []byte) (keys []PostKey, want bool, err error) {
	if !IsPostKeys(b) {
		return dst, false, ErrMalformed
	}
	want, b = b[0] == TypePostWant, b[1:]
	switch {
	case len(b) == 0 || len(b)%len(PostKey{}) != 0:
		return dst, false, ErrTruncated
	case len(b)/len(PostKey{}) > MaxPostKeys:
		return dst, false, ErrLimit
	}
	for ; len(b) > 0; b = b[len(PostKey{}):] {
		dst = append(dst, PostKey(b[:8]))
	}
	return dst, want, nil
}

// CheckPost reports why a message of flow GR 19 cannot be a post, or nil. A
// post is a bare AMF0 value, which this does not look into.
func CheckPost(b []byte) error { return checkValue(b, MaxPostLen) }

// CheckRoute reports why a message of flow GR 1D cannot be a routed message, or
// nil. It is a bare AMF0 value, which this does not look into; where it is
// bound is part of the value if the application needs it.
func CheckRoute(b []byte) error { return checkValue(b, MaxRouteLen) }

// markerLast is the largest marker of an AMF0 value: the switch to AMF3.
const markerLast = 0x11

func checkValue(b []byte, limit int) error {
	switch {
	case len(b) == 0:
		return ErrTruncated
	case len(b) > limit:
		return ErrLimit
	case b[0] > markerLast:
		return ErrMalformed
	}
	return nil
}
