package files_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast/files"
	"github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/manifest"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

// members starts nodes on loopback that are all in one group.
func members(t *testing.T, count int) (list []*node.Group) {
	t.Helper()
	spec, err := groupspec.New(groupspec.Settings{Name: "files", ObjectReplication: true, ServerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	var at []node.Introducer
	for i := range count {
		secrets, err := profile.NewSecrets(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := node.DefaultConfig()
		c.Listen, c.Introducer = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, i == 0
		if c.Profile, err = profile.NewNode(secrets, profile.NodeOptions{Server: i == 0, HardwareAES: profile.HardwareAES()}); err != nil {
			t.Fatal(err)
		}
		n, err := node.Listen(c)
		if err != nil {
			t.Fatal(err)
		}
		run(t, func(ctx context.Context) { _ = n.Run(ctx) })
		g, err := n.Join(t.Context(), spec, node.JoinOptions{Introducers: at})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			at = []node.Introducer{{Addr: n.LocalAddrs()[0].String()}}
		}
		list = append(list, g)
	}
	return list
}

// run calls f beside the test until it ends.
func run(t *testing.T, f func(ctx context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

// share returns a share that serves until the test ends.
func share(t *testing.T, g *node.Group) *files.Share {
	s := files.NewShare(g)
	t.Cleanup(func() { _ = s.Close() })
	run(t, func(ctx context.Context) { _ = s.Serve(ctx) })
	return s
}

func limit(t *testing.T) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(stop)
	return ctx
}

// A file is found by its name, listed, fetched, told from another of that name
// by its hash, and not written over another one.
func TestShare(t *testing.T) {
	g := members(t, 3)
	dir := t.TempDir()
	content := make([]byte, 1<<20+5)
	_, _ = rand.Read(content)
	path := filepath.Join(dir, "a.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := share(t, g[0]).Load(limit(t), path, files.LoadOptions{Name: "b.bin"}); err != nil {
		t.Fatal(err)
	}
	list, err := files.List(limit(t), g[1])
	if err != nil || len(list) != 1 || list[0].Name != "b.bin" || list[0].Size != uint64(len(content)) {
		t.Fatalf("list %+v, %v", list, err)
	}
	sum := manifest.Hash(sha256.Sum256(content))
	last := files.Progress{}
	get := func(g *node.Group, o files.FetchOptions) error {
		o.Progress = func(p files.Progress) { last = p }
		s := share(t, g)
		return errors.Join(s.Fetch(limit(t), o), s.Close())
	}
	to := filepath.Join(dir, "c.bin")
	if err := get(g[1], files.FetchOptions{Name: "b.bin", Path: to, Sum: &sum}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(to); err != nil || !bytes.Equal(b, content) || last.Stage != files.Verifying || last.Done != last.Total {
		t.Errorf("fetched %d bytes, %v, %+v", len(b), err, last)
	}
	for name, tt := range map[string]struct {
		o    files.FetchOptions
		want error
	}{
		"there already": {files.FetchOptions{Name: "b.bin", Path: to}, nil},
		"another file":  {files.FetchOptions{Name: "b.bin", Path: os.Args[0]}, files.ErrExists},
		"another hash":  {files.FetchOptions{Name: "b.bin", Path: filepath.Join(dir, "d"), Sum: &manifest.Hash{1}, Patience: 300 * time.Millisecond}, files.ErrNotFound},
		"no such file":  {files.FetchOptions{Name: "e.bin", Path: filepath.Join(dir, "e"), Patience: 300 * time.Millisecond}, files.ErrNotFound},
		"a path":        {files.FetchOptions{Name: "../e", Path: filepath.Join(dir, "e")}, manifest.ErrName},
	} {
		if err := get(g[2], tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// A file that is changed while it is shared is not given to anybody.
func TestChangedFile(t *testing.T) {
	g := members(t, 2)
	path := filepath.Join(t.TempDir(), "a.bin")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	s := files.NewShare(g[0])
	defer s.Close()
	if err := s.Load(limit(t), path, files.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(limit(t)) }()
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	err := share(t, g[1]).Fetch(limit(t), files.FetchOptions{Name: "a.bin", Path: path + ".2", Patience: time.Second})
	if !errors.Is(err, files.ErrStalled) {
		t.Errorf("the getter says %v", err)
	}
	if err := <-served; !errors.Is(err, files.ErrChanged) {
		t.Errorf("the one who shares it says %v", err)
	}
}
