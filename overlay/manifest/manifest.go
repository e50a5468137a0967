package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode"
	"unicode/utf8"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Limits of what a head may say. They bound the memory that a head of a
// stranger can ask for: 32 MiB of hashes for a file of 1 TiB.
const (
	// MinPiece and MaxPiece bound the length of a piece, in bytes.
	MinPiece = 1 << minShift
	MaxPiece = 1 << maxShift
	// MaxPieces is how many pieces a file can have.
	MaxPieces = 1 << 20
	// ListLen is how many hashes a list has; the last list may have fewer.
	ListLen = 1024
	// MaxName is the longest name, in bytes.
	MaxName = 255
	// MaxHead is the longest head, in bytes.
	MaxHead = 4 + 1 + 8 + 2 + MaxName + sha256.Size + MaxPieces/ListLen*sha256.Size

	minShift, maxShift = 12, 20
	// usualPieces is up to how many pieces are 64 KiB long, which serves best:
	// large enough to cost little each, small enough to pass on soon.
	usualShift, usualPieces = 16, 1 << 15
)

// magic begins a head.
const magic = "RCF1"

// Errors of ParseHead and CheckName.
var (
	ErrMalformed = errors.New("manifest: not the head of a file")
	ErrName      = errors.New("manifest: not a name for a file")
)

// Hash is a SHA-256 hash.
type Hash = [sha256.Size]byte

// Head is what a group knows of a file.
type Head struct {
	// Name is the file's, without a folder.
	Name string
	// Size is its length, in bytes.
	Size uint64
	// PieceSize is the length of a piece, in bytes: a power of two.
	PieceSize int
	// Sum is the hash of the whole file.
	Sum Hash
	// Lists are the hashes of the lists of hashes.
	Lists []Hash
}

// PieceSizeFor returns the length of a piece that suits a file of that size, in
// bytes, and false for one that is too long: 1 TiB is the most.
func PieceSizeFor(size uint64) (int, bool) {
	for shift := usualShift; shift < maxShift; shift++ {
		if size <= usualPieces<<shift {
			return 1 << shift, true
		}
	}
	return MaxPiece, size <= MaxPieces<<maxShift
}

// Pieces returns how many pieces the file has.
func (h *Head) Pieces() int {
	return int((h.Size + uint64(h.PieceSize) - 1) / uint64(h.PieceSize))
}

// PieceLen returns the length of piece i, in bytes.
func (h *Head) PieceLen(i int) int {
	return int(min(h.Size-uint64(i)*uint64(h.PieceSize), uint64(h.PieceSize)))
}

// ListCount returns how many lists of hashes the file has.
func (h *Head) ListCount() int { return (h.Pieces() + ListLen - 1) / ListLen }

// HashesIn returns how many hashes list i has.
func (h *Head) HashesIn(i int) int { return min(h.Pieces()-i*ListLen, ListLen) }

// CheckName refuses what no file can be called: names with a folder, with
// characters that do not print, and too long ones. So a name of a stranger
// leads to a file in the current folder and nowhere else.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > MaxName || !utf8.ValidString(name) {
		return ErrName
	}
	for _, r := range name {
		if r == '/' || r == '\\' || r == ':' || !unicode.IsPrint(r) {
			return ErrName
		}
	}
	return nil
}

// AppendHead appends a head to b. One that ParseHead would refuse is a caller
// error and panics.
//
//	u8[4]  "RCF1"
//	u8     logarithm of the length of a piece to base 2, 12 to 20
//	vlu    length of the file
//	vlu    length of the name; the name, UTF-8
//	u8[32] SHA-256 of the file
//	u8[32] SHA-256 of list 0, list 1, …
func AppendHead(b []byte, h *Head) []byte {
	if err := h.check(); err != nil {
		panic(fmt.Sprintf("%v: %q, %d bytes", err, h.Name, h.Size))
	}
	b = append(b, magic...)
	b = append(b, byte(bits.TrailingZeros(uint(h.PieceSize))))
	b = vlu.Append(b, h.Size)
	b = vlu.Append(b, uint64(len(h.Name)))
	b = append(b, h.Name...)
	b = append(b, h.Sum[:]...)
	for i := range h.Lists {
		b = append(b, h.Lists[i][:]...)
	}
	return b
}

// check reports what is wrong with a head.
func (h *Head) check() error {
	size := h.PieceSize
	switch {
	case size < MinPiece || size > MaxPiece || size&(size-1) != 0, h.Size > MaxPieces*uint64(size), h.ListCount() != len(h.Lists):
		return ErrMalformed
	}
	return CheckName(h.Name)
}

// ParseHead reads a head, which must fill b. It keeps no reference to b.
func ParseHead(b []byte) (h Head, err error) {
	if len(b) < len(magic)+1 || len(b) > MaxHead || string(b[:len(magic)]) != magic {
		return h, ErrMalformed
	}
	shift := b[len(magic)]
	if shift < minShift || shift > maxShift {
		return h, ErrMalformed
	}
	h.PieceSize = 1 << shift
	b = b[len(magic)+1:]
	var length uint64
	for _, v := range []*uint64{&h.Size, &length} {
		n := 0
		if *v, n, err = vlu.Parse(b); err != nil {
			return h, ErrMalformed
		}
		b = b[n:]
	}
	if length > MaxName || uint64(len(b)) < length+sha256.Size {
		return h, ErrMalformed
	}
	h.Name, b = string(b[:length]), b[length:]
	h.Sum, b = Hash(b), b[sha256.Size:]
	if len(b)%sha256.Size != 0 {
		return h, ErrMalformed
	}
	for ; len(b) > 0; b = b[sha256.Size:] {
		h.Lists = append(h.Lists, Hash(b))
	}
	return h, h.check()
}

// The index space of a group: heads lie in its upper half, pieces and lists in
// runs of fileSpan in the lower one.
const (
	half     = 1 << 52
	fileSpan = 1 << 21
)

// HeadIndex returns under which index the head of the file of that name is.
func HeadIndex(name string) uint64 {
	sum := sha256.Sum256([]byte("ringcast file " + name))
	return half + binary.BigEndian.Uint64(sum[:])>>13 // below 2^53 - 2^51
}

// IsHeadIndex reports whether the head of some file may be there.
func IsHeadIndex(index uint64) bool { return index >= FirstHead && index <= LastHead }

// FirstHead and LastHead bound the indexes of heads.
const (
	FirstHead = half
	LastHead  = half + half/2 - 1
)

// ID returns the ID of the file with that head.
func ID(head []byte) Hash { return sha256.Sum256(head) }

// Base returns the index of the first piece of a file.
func Base(id Hash) uint64 { return uint64(binary.BigEndian.Uint32(id[:])>>1) * fileSpan }
