package lab

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// etherHeader is what a frame has beyond its IP packet, in bytes.
const etherHeader = 14

// end is one end of a cable: a device to be made in a namespace.
type end struct{ ns, dev string }

// cable is an Ethernet cable with faults: a TAP device at each end, and two
// ways of frames between them in this process. TAP devices offer no offloads,
// so what passes is what a wire would carry.
type cable struct {
	ways  [2]*way // from the first end to the second, and back
	taps  [2]*os.File
	group sync.WaitGroup
}

// way is one direction of a cable.
type way struct {
	from, to *os.File
	mu       sync.Mutex // guards all below
	link     *vnet.Link
	queue    frames
	seq      uint64
	closed   bool
	changed  chan struct{} // tells the sender of an earlier frame or the end
	start    time.Time
}

// maxQueued bounds the frames in flight on one way.
const maxQueued = 1 << 16

func newCable(a, b end, seed uint64) (*cable, error) {
	c := &cable{}
	for i, e := range []end{a, b} {
		err := inNamespace(e.ns, func() (err error) {
			c.taps[i], err = openTAP(e.dev)
			return err
		})
		if err != nil {
			c.closeTaps()
			return nil, err
		}
	}
	for i := range c.ways {
		c.ways[i] = &way{
			from: c.taps[i], to: c.taps[1-i], link: vnet.NewLink(vnet.LinkParams{}, 2*seed+uint64(i)),
			changed: make(chan struct{}, 1), start: time.Now(),
		}
		c.group.Go(c.ways[i].receive)
		c.group.Go(c.ways[i].send)
	}
	return c, nil
}

func (c *cable) closeTaps() {
	for _, tap := range c.taps {
		if tap != nil {
			_ = tap.Close() // the device goes with it
		}
	}
}

// close ends the cable and waits until nothing of it runs any more.
func (c *cable) close() {
	for _, w := range c.ways {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		w.signal()
	}
	c.closeTaps()
	c.group.Wait()
}

func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make tap device %s: %w", name, err)
	}
	// Only now: the poller must not see the descriptor before it is a device.
	return os.NewFile(uintptr(fd), name), nil
}

func (w *way) setParams(p vnet.LinkParams) {
	w.mu.Lock()
	w.link.SetParams(p)
	w.mu.Unlock()
}

// receive takes frames from the device until it is closed.
func (w *way) receive() {
	buf := make([]byte, 65536)
	for {
		n, err := w.from.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			// The device is not up yet, or just went down.
			if w.isClosed() {
				return
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if n > etherHeader {
			w.accept(buf[:n])
		}
	}
}

func (w *way) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// accept decides the fate of a frame and queues a copy of it.
func (w *way) accept(data []byte) {
	w.mu.Lock()
	now := reliability.Start.Add(time.Since(w.start))
	o := w.link.Pass(now, len(data)-etherHeader)
	first := false
	for _, at := range o.Arrivals[:o.Copies] {
		if len(w.queue) >= maxQueued {
			break
		}
		b := append([]byte(nil), data...)
		if o.Corrupt != 0 {
			// The address fields stay whole: a wire's checksum would drop it.
			body := b[etherHeader:]
			bit := int(o.Corrupt % uint64(8*len(body)))
			body[bit/8] ^= 1 << (bit % 8)
		}
		w.seq++
		heap.Push(&w.queue, frame{at, w.seq, b})
		first = first || w.queue[0].seq == w.seq
	}
	w.mu.Unlock()
	if first {
		w.signal()
	}
}

func (w *way) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// send puts frames out when they are due, until the cable is closed.
func (w *way) send() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return
		}
		now := reliability.Start.Add(time.Since(w.start))
		for len(w.queue) > 0 && wait == time.Hour {
			if at := w.queue[0].at; at > now {
				wait = at.Sub(now)
				break
			}
			f := heap.Pop(&w.queue).(frame)
			w.mu.Unlock()
			_, _ = w.to.Write(f.data) // a device that is down loses it, as a wire does
			w.mu.Lock()
		}
		w.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-w.changed:
		}
	}
}

// frame is an Ethernet frame under way.
type frame struct {
	at   reliability.Time
	seq  uint64
	data []byte
}

// frames is a heap, earliest first.
type frames []frame

func (h frames) Len() int { return len(h) }
func (h frames) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h frames) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *frames) Push(x any)   { *h = append(*h, x.(frame)) }
func (h *frames) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = frame{}
	*h = old[:len(old)-1]
	return last
}
