package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/manifest"
)

// FetchOptions say what is fetched and where it goes.
type FetchOptions struct {
	// Name is what the file is called in the group.
	Name string
	// Sum, if not nil, is the SHA-256 hash that the file must have. Without it
	// any file of that name will do.
	Sum *manifest.Hash
	// Path is where the file goes when it is complete. Until then it is at Path
	// with PartSuffix; what is there already is not fetched again.
	Path string
	// Overwrite replaces another file at Path.
	Overwrite bool
	// Patience is for how long nothing may come before Fetch gives up with
	// ErrNotFound or ErrStalled; 0 is for ever.
	Patience time.Duration
	// Progress, if not nil, is told how far it is, often.
	Progress func(Progress)
}

// PartSuffix ends the name of a file that is not complete.
const PartSuffix = ".part"

// fetch is the work of one Fetch.
type fetch struct {
	*Share
	FetchOptions
	have  []bool // by piece
	done  int64  // bytes
	timer *time.Timer
}

// Fetch fetches a file, and offers to others what it has of it. It returns when
// the file is complete and its hash is right. Serve should run beside it, and
// afterwards for as long as others are to be served.
func (s *Share) Fetch(ctx context.Context, o FetchOptions) error {
	if err := manifest.CheckName(o.Name); err != nil {
		return fmt.Errorf("fetch %q: %w", o.Name, err)
	}
	f := &fetch{Share: s, FetchOptions: o}
	if o.Progress == nil {
		f.Progress = func(Progress) {}
	}
	waiting, give := context.WithCancelCause(ctx)
	defer give(nil)
	if o.Patience > 0 {
		f.timer = time.AfterFunc(o.Patience, func() { give(ErrStalled) })
		defer f.timer.Stop()
	}
	err := f.run(waiting)
	if cause := context.Cause(waiting); cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	if errors.Is(err, ErrStalled) && s.Head() == nil {
		return ErrNotFound
	}
	return err
}

// moved notes that something has come.
func (f *fetch) moved() {
	if f.timer != nil {
		f.timer.Reset(f.Patience)
	}
}

func (f *fetch) run(ctx context.Context) error {
	f.Progress(Progress{Stage: Looking})
	if err := f.getHead(ctx); err != nil {
		return err
	}
	if err := f.getLists(ctx); err != nil {
		return err
	}
	there, err := f.isThere(ctx)
	if err != nil || there {
		return err
	}
	if err := f.resume(ctx); err != nil {
		return err
	}
	if err := f.getPieces(ctx); err != nil {
		return err
	}
	return f.finish(ctx)
}

// getHead fetches the head of the file.
func (f *fetch) getHead(ctx context.Context) error {
	at := manifest.HeadIndex(f.Name)
	return f.group.Receive(ctx, []overlay.ObjectRange{{First: at, Last: at}}, func(_ uint64, b []byte) error {
		h, err := manifest.ParseHead(b)
		if err != nil || h.Name != f.Name || f.Sum != nil && h.Sum != *f.Sum {
			return node.ErrWrongObject
		}
		f.moved()
		f.setHead(&h, bytes.Clone(b))
		return nil
	})
}

// getLists fetches the hashes of the pieces.
func (f *fetch) getLists(ctx context.Context) error {
	h := f.head
	hashes := make([]byte, h.Pieces()*sha256.Size)
	if len(hashes) > 0 {
		first := f.base + manifest.MaxPieces
		lists := overlay.ObjectRange{First: first, Last: first + uint64(h.ListCount()) - 1}
		err := f.group.Receive(ctx, []overlay.ObjectRange{lists}, func(index uint64, b []byte) error {
			i := int(index - first)
			if len(b) != h.HashesIn(i)*sha256.Size || sha256.Sum256(b) != h.Lists[i] {
				return node.ErrWrongObject
			}
			f.moved()
			copy(hashes[i*manifest.ListLen*sha256.Size:], b)
			return nil
		})
		if err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hashes = hashes
	f.have = make([]bool, h.Pieces())
	return nil
}

// isThere reports whether the file is at Path already. It is offered then.
func (f *fetch) isThere(ctx context.Context) (bool, error) {
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("fetch %q: %w", f.Name, err)
	}
	f.setFile(file)
	info, err := file.Stat()
	same := false
	if err == nil && info.Mode().IsRegular() && uint64(info.Size()) == f.head.Size {
		var sum manifest.Hash
		if sum, err = f.scan(ctx, f.head, Checking, f.report, nil); err != nil {
			return false, err
		}
		same = sum == f.head.Sum
	}
	switch {
	case same:
		return true, f.offer(false)
	case f.Overwrite:
		return false, file.Close() // resume opens another one
	}
	return false, fmt.Errorf("fetch %q: %w: %q", f.Name, ErrExists, f.Path)
}

// report tells how far reading the disk is, which counts as something that
// comes.
func (f *fetch) report(p Progress) {
	f.moved()
	f.Progress(p)
}

func (f *fetch) setFile(file *os.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.file = file
}

// resume opens the part that is there, or a new one, and finds out which of its
// pieces are right.
func (f *fetch) resume(ctx context.Context) error {
	file, err := os.OpenFile(f.Path+PartSuffix, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("fetch %q: %w", f.Name, err)
	}
	f.setFile(file)
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("fetch %q: %w", f.Name, err)
	}
	h := f.head
	if uint64(info.Size()) > h.Size {
		if err := file.Truncate(int64(h.Size)); err != nil {
			return fmt.Errorf("fetch %q: %w", f.Name, err)
		}
	}
	buffer := make([]byte, h.PieceSize)
	for i := range h.Pieces() {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, piece := int64(i)*int64(h.PieceSize), buffer[:h.PieceLen(i)]
		if at >= info.Size() {
			break
		}
		if _, err := file.ReadAt(piece, at); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("fetch %q: %w", f.Name, err)
		} else if err == nil && sha256.Sum256(piece) == f.hash(i) {
			f.have[i] = true
			f.done += int64(len(piece))
		}
		f.report(Progress{Checking, at + int64(len(piece)), int64(h.Size)})
	}
	for _, r := range f.ranges(func(i int) bool { return f.have[i] }) {
		if err := f.group.AddHave(r.First, r.Last); err != nil {
			return err
		}
	}
	return nil
}

// getPieces fetches what is missing.
func (f *fetch) getPieces(ctx context.Context) error {
	total := int64(f.head.Size)
	f.report(Progress{Fetching, f.done, total})
	missing := f.ranges(func(i int) bool { return !f.have[i] })
	return f.group.Receive(ctx, missing, func(index uint64, b []byte) error {
		i := int(index - f.base)
		if len(b) != f.head.PieceLen(i) || sha256.Sum256(b) != f.hash(i) {
			return node.ErrWrongObject
		}
		if _, err := f.file.WriteAt(b, int64(i)*int64(f.head.PieceSize)); err != nil {
			return fmt.Errorf("write piece %d: %w", i, err)
		}
		f.have[i] = true
		f.done += int64(len(b))
		f.report(Progress{Fetching, f.done, total})
		return nil
	})
}

// finish checks the whole file and gives it its name.
func (f *fetch) finish(ctx context.Context) error {
	sum, err := f.scan(ctx, f.head, Verifying, f.report, nil)
	if err != nil {
		return err
	}
	if sum != f.head.Sum {
		return fmt.Errorf("fetch %q: the pieces are right, but the file is not what its head says", f.Name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// Some systems don't rename a file that is open.
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("fetch %q: %w", f.Name, err)
	}
	f.file = nil
	if err := os.Rename(f.Path+PartSuffix, f.Path); err != nil {
		return fmt.Errorf("fetch %q: %w", f.Name, err)
	}
	f.file, err = os.Open(f.Path)
	return err
}
