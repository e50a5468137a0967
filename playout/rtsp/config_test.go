package rtsp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// Servers that start at the same moment must not take each other's ports.
func TestServersStartAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var mu sync.Mutex
	ports := make(map[string]bool)
	var starting sync.WaitGroup
	const servers = 16
	for range servers {
		starting.Go(func() {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Error(err)
				return
			}
			s := New(DefaultConfig(), l, nil, slog.New(slog.DiscardHandler))
			if err := s.Start(); err != nil {
				t.Errorf("Start: %v", err)
				return
			}
			running.Go(func() { _ = s.Run(ctx) })
			mu.Lock()
			defer mu.Unlock()
			ports[s.rtsp.UDPRTPAddress] = true
		})
	}
	starting.Wait()
	if len(ports) != servers || ports[""] {
		t.Errorf("%d servers have %d pairs of ports: %v", servers, len(ports), ports)
	}
}

func TestMulticastPart(t *testing.T) {
	seen := make(map[string]bool)
	for range 50 {
		got := multicastPart("239.192.0.0/16")
		p, err := netip.ParsePrefix(got)
		if err != nil || p.Bits() != 24 || p != p.Masked() || !netip.MustParsePrefix("239.192.0.0/16").Contains(p.Addr()) {
			t.Fatalf("a part of 239.192.0.0/16 is %q", got)
		}
		seen[got] = true
	}
	if len(seen) < 10 { // of 256, by chance in one of 10^50 runs
		t.Errorf("only %d different parts in 50", len(seen))
	}
	for _, same := range []string{"239.1.2.0/24", "239.1.2.128/25", "ff15::/16", "nonsense"} {
		if got := multicastPart(same); got != same {
			t.Errorf("multicastPart(%q) = %q, want it unchanged", same, got)
		}
	}
}
