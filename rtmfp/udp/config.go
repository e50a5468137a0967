package udp

import (
	"fmt"
	"log/slog"
	"net/netip"
)

// Config is how a driver's sockets are made. Start from DefaultConfig.
type Config struct {
	// Listen are the local addresses to bind, one socket each. Port 0 lets
	// the system choose. The unspecified address of a family (0.0.0.0 or ::)
	// covers all interfaces of that family.
	Listen []netip.AddrPort
	// ReceiveBuffer and SendBuffer are the sizes to ask of the kernel for
	// each socket, in bytes; it may give less. Larger ones ride out longer
	// stalls at the price of memory. 4 KiB to 1 GiB.
	ReceiveBuffer, SendBuffer int
	// Workers is how many goroutines do the core's slow computations, 1 to
	// 1024.
	Workers int
	// Plain switches batching and offloads off: one system call for each
	// datagram, as on systems that have nothing better.
	Plain bool
	// Logger gets the few things an operator may want to know. nil discards
	// them.
	Logger *slog.Logger
}

// DefaultConfig returns a configuration that listens on all interfaces of both
// families on ports of the system's choice.
func DefaultConfig() Config {
	return Config{
		Listen:        []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), 0), netip.AddrPortFrom(netip.IPv6Unspecified(), 0)},
		ReceiveBuffer: 4 << 20,
		SendBuffer:    4 << 20,
		Workers:       2,
	}
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	if len(c.Listen) == 0 || len(c.Listen) > maxSockets {
		return fmt.Errorf("udp: Listen has %d addresses, want 1 to %d", len(c.Listen), maxSockets)
	}
	for _, addr := range c.Listen {
		if !addr.IsValid() || addr.Addr().IsMulticast() {
			return fmt.Errorf("udp: cannot listen on %v", addr)
		}
	}
	for _, b := range []struct {
		name string
		size int
	}{{"ReceiveBuffer", c.ReceiveBuffer}, {"SendBuffer", c.SendBuffer}} {
		if b.size < 4<<10 || b.size > 1<<30 {
			return fmt.Errorf("udp: %s is %d bytes, want 4 KiB to 1 GiB", b.name, b.size)
		}
	}
	if c.Workers < 1 || c.Workers > 1024 {
		return fmt.Errorf("udp: Workers is %d, want 1 to 1024", c.Workers)
	}
	return nil
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}
