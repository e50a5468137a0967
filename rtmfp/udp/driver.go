package udp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// Core is what a driver runs: an rtmfp.Endpoint, or anything with the same
// verbs on top of one.
type Core interface {
	HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram)
	HandleTimeout(now reliability.Time)
	HandleWork(now reliability.Time, result rtmfp.WorkResult)
	PollTransmit(now reliability.Time, buf []byte) (n int, t rtmfp.Transmit, ok bool)
	PollWork() (rtmfp.Work, bool)
	PollTimeout() reliability.Time
}

// ErrStopped is returned by Do before Attach and after Run has ended.
var ErrStopped = errors.New("udp: the driver is not running")

const (
	maxSockets = 64
	// maxRuns is how many runs are collected before they are sent, and
	// arenaSize the memory that they share. A run is at most 64 KiB.
	maxRuns   = 32
	runSize   = 1 << 16
	arenaSize = 8 * runSize
	// queuedWorks bounds the computations that wait for a worker; more stay
	// in the core.
	queuedWorks = 256
	// maxRounds bounds how often a core can be drained after one mutation
	// before it is taken for one that never comes to rest.
	maxRounds = 1_000_000
	// A socket that fails this many reads in a row, with a pause after each
	// that grows to 10 ms, is broken.
	maxReadFailures = 1000
)

// Driver runs a core on sockets. All methods may be called at any time from
// any goroutine, but for Attach, which comes before Run and Do.
type Driver struct {
	log     *slog.Logger
	sockets []socket
	locals  []netip.AddrPort
	workers int
	count   counters
	start   time.Time

	mu      sync.Mutex // guards the core and all below
	core    Core
	react   func(now reliability.Time) bool
	arena   []byte
	runs    [][]run // for each socket
	armed   reliability.Time
	running bool
	stopped bool

	rearm chan struct{}
	works chan rtmfp.Work

	groupsMu     sync.Mutex // taken after mu where both are
	groups       []*group
	groupsClosed bool
	reading      sync.WaitGroup // of groups
}

// Listen binds the sockets. They receive from then on, as far as their buffers
// go, and are read by Run. Close or Run closes them.
func Listen(config Config) (*Driver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	d := &Driver{
		log: config.logger(), workers: config.Workers, start: time.Now(), armed: reliability.Never,
		arena: make([]byte, arenaSize), rearm: make(chan struct{}, 1), works: make(chan rtmfp.Work, queuedWorks),
	}
	for _, addr := range config.Listen {
		if err := d.listen(addr, config); err != nil {
			d.closeSockets()
			return nil, err
		}
	}
	d.runs = make([][]run, len(d.sockets))
	return d, nil
}

func (d *Driver) listen(addr netip.AddrPort, config Config) error {
	network := "udp4"
	if addr.Addr().Is6() && !addr.Addr().Is4In6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return fmt.Errorf("udp: listen on %v: %w", addr, err)
	}
	s, err := newSocket(conn, config.Plain, &d.count)
	if err != nil {
		_ = conn.Close()
		return err
	}
	d.sockets = append(d.sockets, s)
	d.locals = append(d.locals, localAddr(conn))
	// Too small a buffer is worth a word, not a failure.
	_ = conn.SetReadBuffer(config.ReceiveBuffer)
	_ = conn.SetWriteBuffer(config.SendBuffer)
	receive, send := bufferSizes(conn)
	level := slog.LevelInfo
	if receive != 0 && receive < config.ReceiveBuffer/4 {
		level = slog.LevelWarn
	}
	d.log.Log(context.Background(), level, "socket bound", "addr", localAddr(conn), "features", s.features(),
		"receive_buffer_bytes", receive, "send_buffer_bytes", send, "wanted_bytes", config.ReceiveBuffer)
	return nil
}

// Attach says which core to run. react, if not nil, is called with the core
// after each mutation when it has nothing more to send: it takes the core's
// events, may call the core, and reports whether it did. It must not block and
// must not call Do.
func (d *Driver) Attach(core Core, react func(now reliability.Time) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.core, d.react = core, react
	d.arm()
}

// LocalAddrs returns the bound addresses in the order of Config.Listen, with
// the ports that the system chose.
func (d *Driver) LocalAddrs() []netip.AddrPort { return append([]netip.AddrPort(nil), d.locals...) }

// Now reads the protocol clock.
func (d *Driver) Now() reliability.Time { return reliability.Start.Add(time.Since(d.start)) }

// Stats returns the counters.
func (d *Driver) Stats() Stats { return d.count.stats() }

// Do calls f with the core at rest and nobody else near it, and sends what
// comes of it. f must not block. It returns ErrStopped without calling f when
// there is no core or the driver has stopped.
func (d *Driver) Do(f func(now reliability.Time)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.core == nil || d.stopped {
		return ErrStopped
	}
	now := d.Now()
	f(now)
	d.drain(now)
	return nil
}

// Run reads the sockets and keeps the core's time until ctx is done or a
// socket breaks. It then closes the sockets and returns when no goroutine of
// the driver is left; nil if it was ctx that ended it. Run is called once.
func (d *Driver) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.core == nil || d.running || d.stopped {
		d.mu.Unlock()
		return ErrStopped
	}
	d.running = true
	d.drain(d.Now()) // what the core had ready before
	d.mu.Unlock()

	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	for i := range d.sockets {
		group.Go(func() {
			if err := d.readLoop(ctx, d.sockets[i]); err != nil {
				cancel(fmt.Errorf("udp: read from %v: %w", d.locals[i], err))
			}
		})
	}
	group.Go(func() { d.timerLoop(ctx) })
	for range d.workers {
		group.Go(func() { d.workLoop(ctx) })
	}
	<-ctx.Done()
	cause := context.Cause(ctx)
	cancel(nil)
	d.Close()
	group.Wait()
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return nil
	}
	return cause
}

// Close closes the sockets. It is for drivers that never ran; ending Run's
// context does the same and more.
func (d *Driver) Close() {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.closeSockets()
	d.closeGroups()
}

func (d *Driver) closeSockets() {
	for _, s := range d.sockets {
		_ = s.conn().Close()
	}
}

// readLoop feeds the core with what a socket receives.
func (d *Driver) readLoop(ctx context.Context, s socket) error {
	var batch []rtmfp.Datagram
	failures := 0
	for ctx.Err() == nil {
		var err error
		batch, err = s.read(batch[:0])
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Some systems report what a far host said (port unreachable) on
			// the next read: that is no reason to stop.
			d.count.readErrors.Add(1)
			if failures++; failures >= maxReadFailures {
				return err
			}
			time.Sleep(time.Duration(min(failures-1, 10)) * time.Millisecond)
			continue
		}
		failures = 0
		if len(batch) == 0 {
			continue
		}
		d.count.readDatagrams.Add(uint64(len(batch)))
		for i := range batch {
			d.count.readBytes.Add(uint64(len(batch[i].Data)))
		}
		d.mu.Lock()
		if !d.stopped {
			now := d.Now()
			d.core.HandleDatagrams(now, batch)
			d.drain(now)
		}
		d.mu.Unlock()
	}
	return nil
}

// timerLoop calls the core when its deadline passes.
func (d *Driver) timerLoop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d.mu.Lock()
		armed := d.armed
		d.mu.Unlock()
		wait := time.Hour
		if armed != reliability.Never {
			wait = min(armed.Sub(d.Now()), wait)
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
			return
		case <-d.rearm:
		case <-timer.C:
			d.timeout()
		}
	}
}

func (d *Driver) timeout() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.Now()
	if d.armed > now || d.stopped {
		return
	}
	d.armed = reliability.Never
	if d.core.PollTimeout() > now {
		// It has moved on since the timer was set.
		d.arm()
		return
	}
	d.count.timeouts.Add(1)
	d.core.HandleTimeout(now)
	d.drain(now)
}

// workLoop does slow computations.
func (d *Driver) workLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-d.works:
			result := rtmfp.WorkResult{ID: w.ID, Value: w.Compute()}
			d.count.works.Add(1)
			d.mu.Lock()
			if !d.stopped {
				now := d.Now()
				d.core.HandleWork(now, result)
				d.drain(now)
			}
			d.mu.Unlock()
		}
	}
}

// drain polls the core until nothing more comes. The mutex is held.
func (d *Driver) drain(now reliability.Time) {
	for round := 0; ; round++ {
		if round == maxRounds {
			panic(fmt.Sprintf("udp: the core is not at rest after %d rounds", round))
		}
		d.send(now)
		d.takeWork()
		if d.react == nil || !d.react(now) {
			break
		}
	}
	d.arm()
}

// arm wakes the timer goroutine only when it would otherwise wake too late.
func (d *Driver) arm() {
	if next := d.core.PollTimeout(); next < d.armed {
		d.armed = next
		select {
		case d.rearm <- struct{}{}:
		default:
		}
	}
}

// takeWork hands computations to the workers as far as there is room. What is
// left in the core is taken when a worker is done.
func (d *Driver) takeWork() {
	for len(d.works) < cap(d.works) {
		w, ok := d.core.PollWork()
		if !ok {
			return
		}
		d.works <- w // never blocks: only the holder of the mutex adds
	}
}

// send takes runs from the core and sends them, several in one call.
func (d *Driver) send(now reliability.Time) {
	used, collected := 0, 0
	for {
		n, t, ok := d.core.PollTransmit(now, d.arena[used:used+runSize])
		if !ok {
			break
		}
		if t.To.Addr().IsMulticast() && n > 0 {
			d.sendToGroup(t, d.arena[used:used+n])
			continue
		}
		if i := d.socketFor(t); i >= 0 && n > 0 {
			d.runs[i] = append(d.runs[i], run{d.arena[used : used+n : used+n], t})
			used += n
			collected++
		} else {
			d.count.unroutable.Add(1)
		}
		if collected == maxRuns || used > arenaSize-runSize {
			d.flush()
			used, collected = 0, 0
		}
	}
	if collected > 0 {
		d.flush()
	}
}

func (d *Driver) flush() {
	for i, runs := range d.runs {
		if len(runs) > 0 {
			d.sockets[i].write(runs)
			clear(runs)
			d.runs[i] = runs[:0]
		}
	}
}

// socketFor returns the socket to send t from: the one that is bound to its
// local address, else the first of the destination's family.
func (d *Driver) socketFor(t rtmfp.Transmit) int {
	best := -1
	four := t.To.Addr().Unmap().Is4()
	for i, local := range d.locals {
		if local.Addr().Is4() != four {
			continue
		}
		if t.From.IsValid() && local.Port() == t.From.Port() && (local.Addr() == t.From.Addr() || local.Addr().IsUnspecified()) {
			return i
		}
		if best < 0 {
			best = i
		}
	}
	return best
}
