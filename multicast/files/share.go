package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/manifest"
)

// Errors of a Share.
var (
	// ErrNotFound means that no neighbor has offered a file of that name.
	ErrNotFound = errors.New("files: nobody offers the file")
	// ErrStalled means that nothing has come for too long. What has come is kept.
	ErrStalled = errors.New("files: nothing more comes")
	// ErrExists means that another file is where the fetched one is to go.
	ErrExists = errors.New("files: another file is there already")
	// ErrChanged means that a file which is shared is not what it was.
	ErrChanged = errors.New("files: the file has changed while it was shared")
	// ErrTooLong means that a file has more than 1 TiB.
	ErrTooLong = errors.New("files: the file is too long")
)

// Share is one file of a group at one node, where no other Share has a file of
// that name. Serve runs beside Load or Fetch, of which one is called once. It is safe for concurrent use.
type Share struct {
	group *node.Group

	mu sync.RWMutex
	// file is what pieces are read from; nil before there are any.
	file   *os.File
	head   *manifest.Head
	bytes  []byte // of the head
	base   uint64
	hashes []byte // of the pieces, one after the other

	broken chan error // what ends Serve
	buffer []byte     // Serve's own
}

// NewShare returns a share of nothing.
func NewShare(g *node.Group) *Share { return &Share{group: g, broken: make(chan error, 1)} }

// Head returns what is known of the file, nil before its head is there. It must
// not be changed.
func (s *Share) Head() *manifest.Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head
}

// Close takes the file back from the group, so that it can be shared or fetched
// again, and closes it. Load and Fetch must have ended; Serve denies everything
// from then on.
func (s *Share) Close() error {
	s.withdraw()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// withdraw tells the group that nothing of the file is here any more.
func (s *Share) withdraw() {
	h := s.Head()
	if h == nil {
		return
	}
	// A group that has been left needs no telling.
	at := manifest.HeadIndex(h.Name)
	_ = s.group.RemoveHave(at, at)
	if n := uint64(h.Pieces()); n > 0 {
		_ = s.group.RemoveHave(s.base, s.base+n-1)
		_ = s.group.RemoveHave(s.base+manifest.MaxPieces, s.base+manifest.MaxPieces+uint64(h.ListCount())-1)
	}
}

// Serve gives others what they ask for, until ctx is done or the group is left.
// It returns ErrChanged if the file is not any more what it was.
func (s *Share) Serve(ctx context.Context) error {
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case err := <-s.broken:
			stop(err)
		case <-serving.Done():
		}
	}()
	err := s.group.Serve(serving, s.object)
	if cause := context.Cause(serving); errors.Is(err, context.Canceled) && cause != nil {
		return cause
	}
	return err
}

// object returns an object of the file, which is good until the next call.
func (s *Share) object(index uint64) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.head == nil:
		return nil, false
	case index == manifest.HeadIndex(s.head.Name):
		return s.bytes, true
	case index < s.base || s.hashes == nil:
		return nil, false
	}
	i := index - s.base
	switch {
	case i < uint64(s.head.Pieces()) && s.file != nil:
		piece, err := s.read(int(i))
		if err != nil {
			select {
			case s.broken <- err:
			default:
			}
			return nil, false
		}
		return piece, true
	case i >= manifest.MaxPieces && i-manifest.MaxPieces < uint64(s.head.ListCount()):
		return s.list(int(i - manifest.MaxPieces)), true
	}
	return nil, false
}

// list returns list i of hashes.
func (s *Share) list(i int) []byte {
	first := i * manifest.ListLen * sha256.Size
	return s.hashes[first : first+s.head.HashesIn(i)*sha256.Size]
}

// hash returns the hash of piece i.
func (s *Share) hash(i int) manifest.Hash { return manifest.Hash(s.hashes[i*sha256.Size:]) }

// read reads a piece that is there.
func (s *Share) read(i int) ([]byte, error) {
	if s.buffer == nil {
		s.buffer = make([]byte, s.head.PieceSize)
	}
	piece := s.buffer[:s.head.PieceLen(i)]
	_, err := s.file.ReadAt(piece, int64(i)*int64(s.head.PieceSize))
	switch {
	case errors.Is(err, io.EOF), err == nil && sha256.Sum256(piece) != s.hash(i):
		return nil, ErrChanged
	case err != nil:
		return nil, fmt.Errorf("read piece %d: %w", i, err)
	}
	return piece, nil
}

// setHead notes the head of the file.
func (s *Share) setHead(h *manifest.Head, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head, s.bytes = h, b
	s.base = manifest.Base(manifest.ID(b))
}

// Stage is what a share is doing.
type Stage uint8

// The stages.
const (
	// Looking: for the head of the file, and the lists of hashes.
	Looking Stage = iota
	// Checking: what is there of the file is read and its hashes computed.
	Checking
	// Fetching: pieces come.
	Fetching
	// Verifying: the file is read from end to end, and its hash computed.
	Verifying
)

// Progress tells how far a share has got: bytes of the file.
type Progress struct {
	Stage       Stage
	Done, Total int64
}

// LoadOptions say how a file is loaded.
type LoadOptions struct {
	// Name is what others fetch it by; "" takes that of the file.
	Name string
	// Progress, if not nil, is told how far the hashes are.
	Progress func(Progress)
}

// Load reads a file, computes its hashes, and offers it to the group.
func (s *Share) Load(ctx context.Context, path string, o LoadOptions) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("share a file: %w", err)
	}
	s.mu.Lock()
	s.file = file
	s.mu.Unlock()
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("share a file: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("share a file: %q: %w: not a regular file", path, fs.ErrInvalid)
	}
	h := &manifest.Head{Name: o.Name, Size: uint64(info.Size())}
	if h.Name == "" {
		h.Name = filepath.Base(path)
	}
	if err := manifest.CheckName(h.Name); err != nil {
		return fmt.Errorf("share a file: %q: %w", h.Name, err)
	}
	ok := false
	if h.PieceSize, ok = manifest.PieceSizeFor(h.Size); !ok {
		return fmt.Errorf("share a file: %q: %w", path, ErrTooLong)
	}
	hashes := make([]byte, h.Pieces()*sha256.Size)
	h.Sum, err = s.scan(ctx, h, Checking, o.Progress, func(i int, piece []byte) {
		sum := sha256.Sum256(piece)
		copy(hashes[i*sha256.Size:], sum[:])
	})
	if err != nil {
		return err
	}
	for first := 0; first < len(hashes); first += manifest.ListLen * sha256.Size {
		h.Lists = append(h.Lists, sha256.Sum256(hashes[first:min(first+manifest.ListLen*sha256.Size, len(hashes))]))
	}
	s.setHead(h, manifest.AppendHead(nil, h))
	s.mu.Lock()
	s.hashes = hashes
	s.mu.Unlock()
	return s.offer(true)
}

// scan reads the pieces of a file in order and returns the hash of all. each,
// if not nil, gets every piece.
func (s *Share) scan(ctx context.Context, h *manifest.Head, stage Stage, progress func(Progress), each func(i int, piece []byte)) (sum manifest.Hash, err error) {
	buffer := make([]byte, h.PieceSize)
	whole := sha256.New()
	done := int64(0)
	for i := range h.Pieces() {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		piece := buffer[:h.PieceLen(i)]
		if _, err := s.file.ReadAt(piece, done); err != nil {
			return sum, fmt.Errorf("read the file: %w", err)
		}
		whole.Write(piece)
		if each != nil {
			each(i, piece)
		}
		done += int64(len(piece))
		if progress != nil {
			progress(Progress{stage, done, int64(h.Size)})
		}
	}
	whole.Sum(sum[:0])
	return sum, nil
}

// offer tells the group that the whole file is here. What describes it is shown
// to everybody at once, of the pieces each to one neighbor at first if the file
// is new to the group.
func (s *Share) offer(original bool) error {
	g, h := s.group, s.head
	var pieces, lists, head error
	if n := uint64(h.Pieces()); n > 0 {
		lists = g.AddHave(s.base+manifest.MaxPieces, s.base+manifest.MaxPieces+uint64(h.ListCount())-1)
		if original {
			pieces = g.AddOriginal(s.base, s.base+n-1)
		} else {
			pieces = g.AddHave(s.base, s.base+n-1)
		}
	}
	at := manifest.HeadIndex(h.Name)
	head = g.AddHave(at, at)
	return errors.Join(head, lists, pieces)
}

// ranges returns the runs of pieces for which in says so, as objects.
func (s *Share) ranges(in func(i int) bool) (list []overlay.ObjectRange) {
	for i := range s.head.Pieces() {
		if !in(i) {
			continue
		}
		index := s.base + uint64(i)
		if n := len(list); n > 0 && list[n-1].Last+1 == index {
			list[n-1].Last = index
		} else {
			list = append(list, overlay.ObjectRange{First: index, Last: index})
		}
	}
	return list
}
