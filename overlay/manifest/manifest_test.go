package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// example is a head of three pieces.
func example() *Head {
	return &Head{Name: "a.bin", Size: 150_000, PieceSize: 1 << 16, Sum: Hash{1, 2, 31: 3}, Lists: []Hash{{4, 31: 5}}}
}

func TestHeadVector(t *testing.T) {
	want := "52434631 10 899370 05 612e62696e 0102" + strings.Repeat("00", 29) + "03 04" + strings.Repeat("00", 30) + "05"
	want = strings.ReplaceAll(want, " ", "")
	b := AppendHead(nil, example())
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("head is %s, want %s", got, want)
	}
	h, err := ParseHead(b)
	if err != nil || h.Name != "a.bin" || h.Size != 150_000 || h.PieceSize != 1<<16 || h.Sum != example().Sum || len(h.Lists) != 1 || h.Lists[0] != example().Lists[0] {
		t.Errorf("parsed %+v, %v", h, err)
	}
	if h.Pieces() != 3 || h.PieceLen(1) != 1<<16 || h.PieceLen(2) != 150_000-2<<16 || h.ListCount() != 1 || h.HashesIn(0) != 3 {
		t.Errorf("%d pieces, the last of %d bytes", h.Pieces(), h.PieceLen(2))
	}
	for i := range b {
		if _, err := ParseHead(b[:i]); err == nil {
			t.Errorf("cut to %d of %d bytes it is taken", i, len(b))
		}
	}
}

func TestHostileHeads(t *testing.T) {
	change := func(f func(h *Head)) []byte {
		h := example()
		f(h)
		b := append([]byte(magic), 16)
		b = append(b, 0x89, 0x93, 0x70, byte(len(h.Name)))
		b = append(append(b, h.Name...), h.Sum[:]...)
		for i := range h.Lists {
			b = append(b, h.Lists[i][:]...)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"a path":          change(func(h *Head) { h.Name = "../a" }),
		"a Windows path":  change(func(h *Head) { h.Name = `c:\a` }),
		"a folder":        change(func(h *Head) { h.Name = ".." }),
		"no name":         change(func(h *Head) { h.Name = "" }),
		"escape codes":    change(func(h *Head) { h.Name = "a\x1b[2J" }),
		"not UTF-8":       change(func(h *Head) { h.Name = "a\xff" }),
		"a list too many": change(func(h *Head) { h.Lists = append(h.Lists, Hash{}) }),
		"no list":         change(func(h *Head) { h.Lists = nil }),
	} {
		if _, err := ParseHead(b); !errors.Is(err, ErrName) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseHead(change(func(*Head) {})); err != nil {
		t.Errorf("the head that the others are made of: %v", err)
	}
}

// Files of any size fit into the limits, and indexes of heads, pieces and lists
// do not meet.
func TestSizesAndIndexes(t *testing.T) {
	for _, tt := range []struct {
		size  uint64
		piece int
		ok    bool
	}{{0, 1 << 16, true}, {1 << 30, 1 << 16, true}, {1<<31 + 1, 1 << 17, true}, {1 << 40, 1 << 20, true}, {1<<40 + 1, 1 << 20, false}} {
		if piece, ok := PieceSizeFor(tt.size); piece != tt.piece || ok != tt.ok {
			t.Errorf("%d bytes: pieces of %d, %v; want %d, %v", tt.size, piece, ok, tt.piece, tt.ok)
		}
	}
	const lastIndex = 1<<53 - 2
	if top := Base(Hash{0xff, 0xff, 0xff, 0xff}) + fileSpan - 1; top >= FirstHead || LastHead > lastIndex {
		t.Errorf("pieces end at %d, heads at %d", top, uint64(LastHead))
	}
	for _, name := range []string{"", "a.bin", "b.bin"} {
		if i := HeadIndex(name); !IsHeadIndex(i) {
			t.Errorf("head of %q at %d", name, i)
		}
	}
	empty := &Head{Name: "empty", PieceSize: MinPiece, Sum: sha256.Sum256(nil)}
	if h, err := ParseHead(AppendHead(nil, empty)); err != nil || h.Pieces() != 0 {
		t.Errorf("an empty file: %+v, %v", h, err)
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add(AppendHead(nil, example()))
	f.Add(AppendHead(nil, &Head{Name: "x", PieceSize: MaxPiece}))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHead(b)
		if err != nil {
			return
		}
		if h.Pieces() > MaxPieces || len(h.Lists) > MaxPieces/ListLen {
			t.Fatalf("%d pieces, %d lists", h.Pieces(), len(h.Lists))
		}
		for i := range h.ListCount() {
			if n := h.HashesIn(i); n < 1 || n > ListLen {
				t.Fatalf("list %d has %d hashes", i, n)
			}
		}
		again, err := ParseHead(AppendHead(nil, &h))
		if err != nil || again.Name != h.Name || again.Size != h.Size || !bytes.Equal(AppendHead(nil, &again), AppendHead(nil, &h)) {
			t.Fatalf("%+v becomes %+v, %v", h, again, err)
		}
	})
}
