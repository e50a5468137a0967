package keyfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/ringcast/ringcast/rtmfp/profile"
)

func TestIdentityLasts(t *testing.T) {
	name := filepath.Join(t.TempDir(), "identity")
	if _, err := Load(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	a, err := LoadOrCreate(name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := LoadOrCreate(name, rand.Reader)
	if err != nil || *a != *b {
		t.Errorf("another identity the second time, %v", err)
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(name + "*"); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

func TestExposedFileIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // modes say nothing there
	}
	name := filepath.Join(t.TempDir(), "identity")
	if _, err := LoadOrCreate(name, rand.Reader); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o610} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreate(name, rand.Reader); !errors.Is(err, ErrExposed) {
			t.Errorf("with mode %v: %v", mode, err)
		}
	}
}

func TestBadFilesAreRefusedAndKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(name, []byte("something of value"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(name, rand.Reader); !errors.Is(err, profile.ErrBadSecrets) {
		t.Errorf("bad file: %v", err)
	}
	if b, _ := os.ReadFile(name); string(b) != "something of value" {
		t.Errorf("it holds now %q", b)
	}
	if _, err := LoadOrCreate(t.TempDir(), rand.Reader); err == nil {
		t.Error("a directory is accepted")
	}
	if _, err := LoadOrCreate(filepath.Join(name, "x"), rand.Reader); err == nil {
		t.Error("a path below a file is accepted")
	}
}

func TestTwoAtOnceGetOneIdentity(t *testing.T) {
	name := filepath.Join(t.TempDir(), "identity")
	var group sync.WaitGroup
	got := make([]*profile.Secrets, 8)
	for i := range got {
		group.Go(func() {
			s, err := LoadOrCreate(name, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	group.Wait()
	for _, s := range got {
		if s == nil || *s != *got[0] {
			t.Fatal("different identities")
		}
	}
}
