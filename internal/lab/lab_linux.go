package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	namePrefix = "rclab-"
	netnsDir   = "/run/netns"
	// Addresses on the core: routers from .1, hosts from .101.
	corePrefix = "198.18.0."
	firstHost  = 101
)

var labCount atomic.Int64 // tells the labs of one process apart

// Lab is a network of namespaces. Its methods end the test when something
// cannot be made. They are to be called from the test's goroutine.
type Lab struct {
	t          testing.TB
	prefix     string
	core       string // namespace of the core's switch
	namespaces []string
	lans       []*LAN
	coreHosts  []*Host
	hosts      map[string]*Host
	cables     []*cable
	mu         sync.Mutex // guards started
	started    []*process
	seed       uint64
}

// process is a program started in a lab.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// New makes an empty lab and has it removed when the test ends. It first
// removes what labs of processes that have died left behind.
func New(t testing.TB) *Lab {
	t.Helper()
	Need(t)
	removeAbandoned()
	pid := os.Getpid()
	l := &Lab{
		t:      t,
		prefix: fmt.Sprintf("%s%d-%d-%d-", namePrefix, pid, startTime(pid), labCount.Add(1)),
		hosts:  make(map[string]*Host),
		seed:   1,
	}
	t.Cleanup(l.remove)
	l.core = l.addNamespace("core")
	l.ip(l.core, bridge("br0", 0)...)
	return l
}

// bridge is the commands that make a switch. A switch without an address of its
// own takes that of a port, and another with each port that is plugged in: hosts
// that had found the router would talk to nobody from then on.
func bridge(name string, mtu int) []string {
	lines := []string{
		"link set lo up",
		"link add " + name + " address 02:00:00:00:00:01 type bridge forward_delay 0",
		"link set " + name + " type bridge mcast_snooping 0",
	}
	if mtu > 0 {
		lines = append(lines, fmt.Sprintf("link set %s mtu %d", name, mtu))
	}
	return append(lines, "link set "+name+" up")
}

// AddHost adds a host on the core, with a public address. Names are lower-case
// letters and digits, at most 12. The kernel keeps one table of 1,024 hardware
// addresses for the whole machine, and what finds no room in it is lost: of
// hosts that all speak to each other, not more than some 30 fit on one wire.
// Put more on LANs, whose routers are all that the others see.
func (l *Lab) AddHost(name string, config HostConfig) *Host {
	l.t.Helper()
	n := len(l.coreHosts) + firstHost
	if n > 254 {
		l.t.Fatal("lab: more than 154 hosts on the core")
	}
	h := l.newHost(name, config, l.core, coreAddr(n), netip.MustParseAddr(fmt.Sprintf("fd00::%d", n)), 1500)
	lines := []string{"route add 224.0.0.0/4 dev eth0"}
	for _, lan := range l.lans {
		if lan.config.NAT == nil {
			lines = append(lines, lan.routeLine("eth0"))
		}
	}
	l.ip(h.ns, lines...)
	l.coreHosts = append(l.coreHosts, h)
	return h
}

// Host returns the host with the name.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	h := l.hosts[name]
	if h == nil {
		l.t.Fatalf("lab: no host %q", name)
	}
	return h
}

func coreAddr(n int) netip.Addr { return netip.MustParseAddr(corePrefix + strconv.Itoa(n)) }

func (l *Lab) addNamespace(name string) string {
	l.t.Helper()
	if name == "" || len(name) > 12 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		l.t.Fatalf("lab: name %q: want 1 to 12 lower-case letters and digits", name)
	}
	ns := l.prefix + name
	if _, err := os.Stat(filepath.Join(netnsDir, ns)); err == nil {
		l.t.Fatalf("lab: %q twice", name)
	}
	// Listed first, so that removal never misses one.
	l.namespaces = append(l.namespaces, ns)
	l.run("", "ip", "netns", "add", ns)
	// Without duplicate address detection IPv6 works at once, not after two
	// seconds; a lab gives no address twice.
	l.sysctl(ns, "net/ipv6/conf/default/accept_dad", "0")
	l.sysctl(ns, "net/ipv6/conf/default/dad_transmits", "0")
	return ns
}

func (l *Lab) sysctl(ns, name, value string) {
	l.t.Helper()
	err := inNamespace(ns, func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) })
	if err != nil {
		l.t.Fatalf("lab: %v", err)
	}
}

// ip runs commands of iproute2 in a namespace.
func (l *Lab) ip(ns string, lines ...string) {
	l.t.Helper()
	l.run(strings.Join(lines, "\n")+"\n", "ip", "-n", ns, "-batch", "-")
}

func (l *Lab) run(input, name string, args ...string) {
	l.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("lab: %s %s: %v\n%s%s", name, strings.Join(args, " "), err, input, bytes.TrimSpace(out))
	}
}

// remove ends everything in the lab and removes it.
func (l *Lab) remove() {
	l.mu.Lock()
	started := l.started
	l.mu.Unlock()
	for _, p := range started {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // all at once; some have ended
	}
	for _, p := range started {
		p.stop()
	}
	for _, c := range l.cables {
		c.close()
	}
	removeNamespaces(l.namespaces)
}

// stop waits until a process that was asked to end has done so, and makes it
// after a while.
func (p *process) stop() {
	select {
	case <-p.done:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill() // it may just have ended
		<-p.done
	}
}

// removeNamespaces ends the processes that are left in them, since those would
// keep a namespace alive without a name.
func removeNamespaces(names []string) {
	for _, ns := range names {
		out, _ := exec.Command("ip", "netns", "pids", ns).Output()
		for _, field := range strings.Fields(string(out)) {
			// Our own threads are inside only during Do.
			if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}

// removeAbandoned removes the namespaces of labs whose process has died.
func removeAbandoned() {
	names, _ := filepath.Glob(filepath.Join(netnsDir, namePrefix+"*"))
	for _, name := range names {
		var pid int
		var start uint64
		base := filepath.Base(name)
		if _, err := fmt.Sscanf(strings.TrimPrefix(base, namePrefix), "%d-%d-", &pid, &start); err != nil {
			continue
		}
		if startTime(pid) != start {
			removeNamespaces([]string{base})
		}
	}
}

// startTime returns when a process was started, which tells it from a later
// one with the same number; 0 if there is none.
func startTime(pid int) uint64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return start
}
