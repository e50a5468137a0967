package rtmfp_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// sessionBytesMax is what an idle session may keep.
const sessionBytesMax = 20_000

// hub is an endpoint with many far ends, on wires without cost.
type hub struct {
	*rtmfp.Endpoint
	now    rtmfp.Instant
	spokes []*rtmfp.Endpoint
	buf    []byte
	batch  []rtmfp.Datagram
	// packets counts those in either direction.
	packets int
}

var hubAddr = netip.MustParseAddrPort("192.0.2.1:1935")

func spokeAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
}

func newHub(t testing.TB, make2 func(t testing.TB, server bool, seed uint64) rtmfp.Profile, n int) *hub {
	t.Helper()
	endpoint := func(server bool, seed uint64) *rtmfp.Endpoint {
		e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: make2(t, server, seed), Entropy: entropy(seed + 1<<40)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	h := &hub{Endpoint: endpoint(true, 1), now: reliability.Start.Add(time.Hour), buf: make([]byte, 1<<16), batch: make([]rtmfp.Datagram, 1)}
	for i := range n {
		e := endpoint(false, uint64(i+2))
		h.spokes = append(h.spokes, e)
		h.now = h.now.Add(time.Millisecond)
		if _, err := e.Open(h.now, serverURI, []netip.AddrPort{hubAddr}); err != nil {
			t.Fatal(err)
		}
		h.drain(i)
	}
	if h.Sessions() != n || h.Stats().SessionsOpened != uint64(n) {
		t.Fatalf("%d sessions, %d open, of %d", h.Sessions(), h.Stats().SessionsOpened, n)
	}
	return h
}

// drain moves packets between the hub and the i-th of the others until both
// are at rest.
func (h *hub) drain(i int) {
	for more := true; more; {
		more = h.move(h.spokes[i], h.Endpoint, spokeAddr(i), hubAddr)
		more = h.move(h.Endpoint, h.spokes[i], hubAddr, spokeAddr(i)) || more
	}
}

func (h *hub) move(from, to *rtmfp.Endpoint, addr, toAddr netip.AddrPort) (any bool) {
	for {
		n, t, ok := from.PollTransmit(h.now, h.buf)
		if !ok {
			break
		}
		any = true
		for run := h.buf[:n]; len(run) > 0; {
			size := min(t.SegmentSize, len(run))
			h.batch[0] = rtmfp.Datagram{Data: run[:size], From: addr, To: toAddr}
			to.HandleDatagrams(h.now, h.batch)
			run = run[size:]
			h.packets++
		}
	}
	for {
		work, ok := from.PollWork()
		if !ok {
			break
		}
		any = true
		from.HandleWork(h.now, rtmfp.WorkResult{ID: work.ID, Value: work.Compute()})
	}
	for {
		if _, ok := from.PollEvent(); !ok {
			return any
		}
		any = true
	}
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An idle session keeps little memory, with any profile.
func TestIdleSessionMemory(t *testing.T) {
	const sessions = 300
	for _, p := range profiles {
		h := newHub(t, p.make, sessions)
		with := heapBytes()
		h.Endpoint = nil
		without := heapBytes()
		each := (int64(with) - int64(without)) / sessions
		t.Logf("%s: %d bytes a session", p.name, each)
		if each > sessionBytesMax || each < 500 {
			t.Errorf("%s: %d bytes a session, want at most %d", p.name, each, sessionBytesMax)
		}
		runtime.KeepAlive(h)
	}
}
