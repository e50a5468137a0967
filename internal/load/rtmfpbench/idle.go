package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/ringcast/ringcast/internal/load"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/udp"
)

// spokes are many endpoints on one socket, each with a loopback address of its
// own, so that a server takes them for as many hosts.
type spokes struct {
	port    uint16
	list    []*rtmfp.Endpoint
	waiting []int // those that may have something to send, in turn
	queued  []bool
	works   map[uint64]spokeWork
	pending []rtmfp.Work
	lastID  uint64
	open    int
}

type spokeWork struct {
	spoke int
	id    uint64
}

func (s *spokes) addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1 + byte(i>>16), byte(i >> 8), byte(i)}), s.port)
}

func (s *spokes) wake(i int) {
	if !s.queued[i] {
		s.queued[i] = true
		s.waiting = append(s.waiting, i)
	}
}

// HandleDatagrams implements udp.Core.
func (s *spokes) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	for k := range batch {
		b := batch[k].To.Addr().As4()
		i := int(b[1]-1)<<16 | int(b[2])<<8 | int(b[3])
		if b[0] == 127 && i < len(s.list) {
			s.list[i].HandleDatagrams(now, batch[k:k+1])
			s.wake(i)
		}
	}
}

// HandleTimeout implements udp.Core.
func (s *spokes) HandleTimeout(now reliability.Time) {
	for i, e := range s.list {
		if e.PollTimeout() <= now {
			e.HandleTimeout(now)
			s.wake(i)
		}
	}
}

// HandleWork implements udp.Core.
func (s *spokes) HandleWork(now reliability.Time, r rtmfp.WorkResult) {
	w := s.works[r.ID]
	delete(s.works, r.ID)
	s.list[w.spoke].HandleWork(now, rtmfp.WorkResult{ID: w.id, Value: r.Value})
	s.wake(w.spoke)
}

// PollTransmit implements udp.Core.
func (s *spokes) PollTransmit(now reliability.Time, buf []byte) (int, rtmfp.Transmit, bool) {
	for len(s.waiting) > 0 {
		i := s.waiting[0]
		if n, t, ok := s.list[i].PollTransmit(now, buf); ok {
			t.From = s.addr(i)
			return n, t, true
		}
		for {
			event, ok := s.list[i].PollEvent()
			if !ok {
				break
			}
			switch event.Kind {
			case rtmfp.SessionOpened:
				s.open++
			case rtmfp.SessionClosed:
				s.open--
			}
		}
		if w, ok := s.list[i].PollWork(); ok {
			s.lastID++
			s.works[s.lastID] = spokeWork{i, w.ID}
			w.ID = s.lastID
			s.pending = append(s.pending, w)
			continue
		}
		s.queued[i] = false
		s.waiting = s.waiting[1:]
	}
	return 0, rtmfp.Transmit{}, false
}

// PollWork implements udp.Core.
func (s *spokes) PollWork() (rtmfp.Work, bool) {
	if len(s.pending) == 0 {
		return rtmfp.Work{}, false
	}
	w := s.pending[0]
	s.pending = s.pending[1:]
	return w, true
}

// PollTimeout implements udp.Core.
func (s *spokes) PollTimeout() reliability.Time {
	next := reliability.Never
	for _, e := range s.list {
		next = min(next, e.PollTimeout())
	}
	return next
}

// idle opens n sessions with a server and reports what they cost it while
// nobody says anything.
func idle(ctx context.Context, out io.Writer, program string, n int, window time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := exec.CommandContext(ctx, program, "rtmfp", "serve", "--listen", "127.0.0.1:0")
	output, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		cancel()
		_ = server.Wait()
	}()
	lines := bufio.NewScanner(output)
	var addr string
	for addr == "" && lines.Scan() {
		addr, _ = strings.CutPrefix(lines.Text(), "listening on ")
	}
	go func() {
		for lines.Scan() { // a line for each session
		}
	}()
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("address of the server: %w", err)
	}
	config := udp.DefaultConfig()
	config.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), 0)}
	d, err := udp.Listen(config)
	if err != nil {
		return err
	}
	s := &spokes{port: d.LocalAddrs()[0].Port(), works: make(map[uint64]spokeWork)}
	d.Attach(s, nil)
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	resident, err := load.ResidentBytes(server.Process.Pid)
	if err != nil {
		return err
	}
	if err := s.connect(ctx, d, to, n); err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // the last garbage of the opening
	before, err := load.CPUTime(server.Process.Pid)
	if err != nil {
		return err
	}
	time.Sleep(window)
	after, err := load.CPUTime(server.Process.Pid)
	if err != nil {
		return err
	}
	now, err := load.ResidentBytes(server.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d idle sessions: %.1f %% of a core, %.1f KB of resident memory each\n",
		s.open, 100*(after-before).Seconds()/window.Seconds(), float64(now-resident)/float64(n)/1000)
	cancel()
	return <-done
}

// connect opens n sessions, a few at a time.
func (s *spokes) connect(ctx context.Context, d *udp.Driver, to netip.AddrPort, n int) error {
	uri := profile.ServerEPD("rtmfp://127.0.0.1/idle")
	for i := range n {
		secrets, err := profile.NewSecrets(rand.Reader)
		if err != nil {
			return err
		}
		p, err := profile.NewNode(secrets, profile.NodeOptions{HardwareAES: profile.HardwareAES()})
		if err != nil {
			return err
		}
		e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: rand.Reader})
		if err != nil {
			return err
		}
		for open := i; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if err := d.Do(func(reliability.Time) { open = s.open }); err != nil {
				return err
			}
			if i-open < 64 {
				break
			}
		}
		if err := d.Do(func(now reliability.Time) {
			s.list, s.queued = append(s.list, e), append(s.queued, false)
			_, err = e.Open(now, uri, []netip.AddrPort{to})
			s.wake(i)
		}); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		open := 0
		if err := d.Do(func(reliability.Time) { open = s.open }); err != nil {
			return err
		}
		if open == n {
			return nil
		}
		if time.Since(start) > time.Minute {
			return fmt.Errorf("%d of %d sessions are open", open, n)
		}
	}
}
