package vnet

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// Core is what a host can run: an rtmfp.Endpoint, or anything with the same
// verbs on top of one.
type Core interface {
	HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram)
	HandleTimeout(now reliability.Time)
	HandleWork(now reliability.Time, result rtmfp.WorkResult)
	PollTransmit(now reliability.Time, buf []byte) (n int, t rtmfp.Transmit, ok bool)
	PollWork() (rtmfp.Work, bool)
	PollTimeout() reliability.Time
}

// maxRounds bounds how often a core can be drained after one mutation before
// it is taken for one that never comes to rest.
const maxRounds = 100_000

// Driver runs a core on a host, in virtual time. It is what rtmfp/udp's driver
// is on a real network. Not safe for concurrent use.
type Driver struct {
	host *Host
	core Core
	// React, if not nil, is called after each mutation when the core has
	// nothing more to send. It takes the core's events, may call the core,
	// and reports whether it did, so that the core is drained once more.
	React func(now reliability.Time) bool
	// WorkTime is how long a Work takes before its result is handed over.
	WorkTime time.Duration

	buf   []byte
	batch [1]rtmfp.Datagram
}

// Drive makes core the receiver of what arrives at h and arms its timer.
func Drive(h *Host, core Core) *Driver {
	d := &Driver{host: h, core: core, buf: h.net.scratch()}
	h.SetReceiver(d)
	h.WakeAt(core.PollTimeout())
	return d
}

// Do calls f, which may call the core, and drains the core.
func (d *Driver) Do(f func(now reliability.Time)) {
	f(d.host.net.now)
	d.drain()
}

// HandleArrival implements Receiver.
func (d *Driver) HandleArrival(now reliability.Time, from, to netip.AddrPort, data []byte) {
	d.batch[0] = rtmfp.Datagram{Data: data, From: from, To: to}
	d.core.HandleDatagrams(now, d.batch[:])
	d.batch[0].Data = nil
	d.drain()
}

// HandleWake implements Receiver.
func (d *Driver) HandleWake(now reliability.Time) {
	d.core.HandleTimeout(now)
	d.drain()
}

// drain polls the core until nothing more comes.
func (d *Driver) drain() {
	now := d.host.net.now
	for round := 0; ; round++ {
		if round == maxRounds {
			panic(fmt.Sprintf("vnet: host %d is not at rest after %d rounds at %d", d.host.id, round, now))
		}
		d.send(now)
		d.work()
		if d.React == nil || !d.React(now) {
			break
		}
	}
	d.host.WakeAt(d.core.PollTimeout())
}

func (d *Driver) send(now reliability.Time) {
	for range maxRounds {
		n, t, ok := d.core.PollTransmit(now, d.buf)
		if !ok {
			return
		}
		from := t.From
		if d.host.port(from) == nil {
			from = netip.AddrPort{} // an address that the host has no more
		}
		for run := d.buf[:n]; len(run) > 0; {
			size := min(max(t.SegmentSize, 1), len(run))
			d.host.send(from, t.To, run[:size], t.MayFragment)
			run = run[size:]
		}
	}
	panic(fmt.Sprintf("vnet: host %d does not stop sending at %d", d.host.id, now))
}

// work starts the core's slow computations. They are done at once, but their
// results come later, as they would from another goroutine.
func (d *Driver) work() {
	for {
		w, ok := d.core.PollWork()
		if !ok {
			return
		}
		result := rtmfp.WorkResult{ID: w.ID, Value: w.Compute()}
		d.host.net.After(d.WorkTime, func(now reliability.Time) {
			d.core.HandleWork(now, result)
			d.drain()
		})
	}
}
