package lab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// HostConfig says how a host is attached.
type HostConfig struct {
	// Up and Down make the cable from and to the host one with faults, which
	// SetFaults can change later. If both are nil, the cable is a plain one
	// at full speed and stays so.
	Up, Down *vnet.LinkParams
}

func (c HostConfig) faulty() bool { return c.Up != nil || c.Down != nil }

// Host is a machine in a lab: a namespace with one interface, eth0.
type Host struct {
	lab   *Lab
	name  string
	ns    string
	addr  netip.Addr
	addr6 netip.Addr
	sw    string // namespace of the switch it is plugged in to
	port  string // the switch's interface
	cable *cable // nil for a plain cable
}

func (l *Lab) newHost(name string, config HostConfig, sw string, addr, addr6 netip.Addr, mtu int) *Host {
	l.t.Helper()
	h := &Host{lab: l, name: name, sw: sw, addr: addr, addr6: addr6, port: fmt.Sprintf("h%d", len(l.hosts))}
	h.ns = l.addNamespace(name)
	l.hosts[name] = h
	h.cable = l.connect(h.ns, "eth0", sw, h.port, mtu, config)
	lines := []string{
		"link set lo up",
		fmt.Sprintf("addr add %v/24 dev eth0", addr),
		"link set eth0 up",
	}
	if addr6.IsValid() {
		lines = append(lines, fmt.Sprintf("addr add %v/64 dev eth0 nodad", addr6))
	}
	l.ip(h.ns, lines...)
	return h
}

// connect makes a cable between a device in one namespace and a port of the
// switch in another.
func (l *Lab) connect(ns, dev, sw, port string, mtu int, config HostConfig) *cable {
	l.t.Helper()
	var c *cable
	if config.faulty() {
		var err error
		l.seed++
		if c, err = newCable(end{ns, dev}, end{sw, port}, l.seed); err != nil {
			l.t.Fatalf("lab: make a cable: %v", err)
		}
		l.cables = append(l.cables, c)
		l.ip(ns, fmt.Sprintf("link set %s mtu %d", dev, mtu))
		l.ip(sw, fmt.Sprintf("link set %s mtu %d", port, mtu))
		l.setFaults(c, config.Up, config.Down)
	} else {
		l.ip(ns, fmt.Sprintf("link add %s mtu %d type veth peer name %s mtu %d netns %s", dev, mtu, port, mtu, sw))
	}
	l.ip(sw, fmt.Sprintf("link set %s master br0", port), fmt.Sprintf("link set %s up", port))
	return c
}

func (l *Lab) setFaults(c *cable, up, down *vnet.LinkParams) {
	l.t.Helper()
	for i, p := range []*vnet.LinkParams{up, down} {
		if p == nil {
			p = &vnet.LinkParams{}
		}
		if err := p.Validate(); err != nil {
			l.t.Fatal(err)
		}
		c.ways[i].setParams(*p)
	}
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Namespace returns the name of the host's network namespace.
func (h *Host) Namespace() string { return h.ns }

// Addr returns the host's IPv4 address.
func (h *Host) Addr() netip.Addr { return h.addr }

// Addr6 returns the host's IPv6 address, or the zero address.
func (h *Host) Addr6() netip.Addr { return h.addr6 }

// SetFaults changes the faults of the host's cable; nil means none. The host
// must have been made with a cable with faults.
func (h *Host) SetFaults(up, down *vnet.LinkParams) {
	h.lab.t.Helper()
	if h.cable == nil {
		h.lab.t.Fatalf("lab: the cable of %s was made without faults", h.name)
	}
	h.lab.setFaults(h.cable, up, down)
}

// SetPlugged unplugs the host's cable at the switch, or plugs it in again.
func (h *Host) SetPlugged(plugged bool) {
	h.lab.t.Helper()
	state := "down"
	if plugged {
		state = "up"
	}
	h.lab.ip(h.sw, "link set "+h.port+" "+state)
}

// Do runs f on a thread inside the host's namespace: sockets that f makes live
// there for good. f must not start goroutines that make sockets.
func (h *Host) Do(f func() error) error { return inNamespace(h.ns, f) }

// Start starts a program inside the host. It is ended with the lab. The
// program's /proc and /sys are those of the machine.
func (h *Host) Start(cmd *exec.Cmd) error {
	if err := h.Do(cmd.Start); err != nil {
		return fmt.Errorf("start %s in %s: %w", cmd.Path, h.name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	h.lab.mu.Lock()
	h.lab.started = append(h.lab.started, p)
	h.lab.mu.Unlock()
	return nil
}

// Wait waits until the program that Start started has ended, and returns how.
func (h *Host) Wait(cmd *exec.Cmd) error {
	h.lab.mu.Lock()
	var found *process
	for _, p := range h.lab.started {
		if p.cmd == cmd {
			found = p
		}
	}
	h.lab.mu.Unlock()
	if found == nil {
		return fmt.Errorf("lab: %s was not started in %s", cmd.Path, h.name)
	}
	<-found.done
	return found.err
}

// inNamespace runs f on a thread of its own, which is not used for anything
// else afterwards: it ends with the goroutine, because it is never unlocked.
func inNamespace(ns string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			file, err := os.Open(filepath.Join(netnsDir, ns))
			if err != nil {
				return fmt.Errorf("open namespace: %w", err)
			}
			defer file.Close()
			if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter namespace %s: %w", ns, err)
			}
			return f()
		}()
	}()
	return <-done
}

// AddAddr gives the host's interface one more address.
func (h *Host) AddAddr(prefix netip.Prefix) {
	h.lab.t.Helper()
	h.lab.ip(h.ns, fmt.Sprintf("addr add %v dev eth0", prefix))
}
