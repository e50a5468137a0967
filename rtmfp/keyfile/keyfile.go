package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ringcast/ringcast/rtmfp/profile"
)

// ErrExposed means that others than its owner can read or write the file, so
// that its secrets may be none any more.
var ErrExposed = errors.New("others have access to it")

// sizeMax bounds a file that is read.
const sizeMax = 4096

// Load reads the secrets in the file. The error wraps fs.ErrNotExist if there
// is no file, ErrExposed if its permissions are wider than 0600, and
// profile.ErrBadSecrets if it holds something else.
func Load(name string) (*profile.Secrets, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open identity file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at identity file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("identity file %q is no regular file", name)
	}
	if exposed(info.Mode()) {
		return nil, fmt.Errorf("identity file %q has the permissions %v: %w; make new keys, or set them to 0600 if it was never readable to anybody else",
			name, info.Mode().Perm(), ErrExposed)
	}
	b, err := io.ReadAll(io.LimitReader(f, sizeMax))
	if err != nil {
		return nil, fmt.Errorf("read identity file: %w", err)
	}
	s, err := profile.ParseSecrets(b)
	clear(b)
	if err != nil {
		return nil, fmt.Errorf("identity file %q: %w", name, err)
	}
	return s, nil
}

// LoadOrCreate reads the secrets in the file, or draws new ones and writes them
// to it if there is no file. The file appears at once and complete, and if two
// processes do it at the same time both get the secrets of one.
func LoadOrCreate(name string, entropy io.Reader) (*profile.Secrets, error) {
	s, err := Load(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if s, err = profile.NewSecrets(entropy); err != nil {
		return nil, err
	}
	if err := create(name, profile.AppendSecrets(nil, s)); err != nil {
		return nil, err
	}
	return Load(name)
}

// create writes a file that was not there, or leaves the one that now is.
func create(name string, b []byte) error {
	// CreateTemp makes it readable to nobody else.
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new*")
	if err != nil {
		return fmt.Errorf("create identity file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write identity file: %w", err)
	}
	// A link, unlike a renaming, does not take the place of a file.
	err = os.Link(f.Name(), name)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("create identity file: %w", err)
	}
	return nil
}
