package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/ringcast/ringcast/config"
)

// listen opens the TCP listener of a setting. An address that is a default and
// taken is replaced by a free port, which the log tells; one that the user
// gave is an error. It returns nil for an empty address.
func listen(ctx context.Context, loaded *config.Loaded, key, address string, log *slog.Logger) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	holder := ""
	if errors.Is(err, syscall.EADDRINUSE) {
		holder = portHolder("tcp", address)
		if loaded.Origin(key).IsDefault() {
			host, _, _ := net.SplitHostPort(address)
			if l, freeErr := lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); freeErr == nil {
				log.Warn("default port is taken, using a free one", "setting", key, "taken", address, "holder", holder, "addr", l.Addr().String())
				return l, nil
			}
		}
	}
	return nil, listenError(loaded, key, address, holder, err)
}

// listeners are the TCP listeners of a node; what is off is nil.
type listeners struct {
	rtmp, rtmps, rtsp, http, https net.Listener
	// guards are all of them with their limits, certificates those of the ones
	// with TLS.
	guards       []*guard
	certificates []*certificate
}

// open binds all listeners of the settings.
func (n *listeners) open(ctx context.Context, loaded *config.Loaded, log *slog.Logger) error {
	certificates, err := loadCertificates(loaded)
	if err != nil {
		return err
	}
	c := &loaded.Config
	for _, o := range []struct {
		name, key, address string
		limits             config.Limits
		into               *net.Listener
		protocols          []string // of TLS; nil without
	}{
		{"rtmp", "rtmp.listen", c.RTMP.Listen, c.RTMP.Limits, &n.rtmp, nil},
		{"rtmps", "rtmp.tlsListen", c.RTMP.TLSListen, c.RTMP.Limits, &n.rtmps, []string{}},
		{"rtsp", "rtsp.listen", c.RTSP.Listen, c.RTSP.Limits, &n.rtsp, nil},
		{"http", "http.listen", c.HTTP.Listen, c.HTTP.Limits, &n.http, nil},
		{"https", "http.tlsListen", c.HTTP.TLSListen, c.HTTP.Limits, &n.https, []string{"h2", "http/1.1"}},
	} {
		l, err := listen(ctx, loaded, o.key, o.address, log)
		if err != nil {
			return err
		}
		if l == nil {
			continue
		}
		g := newGuard(l, o.name, o.limits, log)
		n.guards = append(n.guards, g)
		*o.into = g
		if o.protocols != nil {
			cert := &certificate{section: o.name[:len(o.name)-1]}
			cert.current.Store(certificates[cert.section])
			n.certificates = append(n.certificates, cert)
			*o.into = tls.NewListener(g, cert.config(o.protocols...))
		}
	}
	return nil
}

// close closes all that are still open.
func (n *listeners) close() {
	for _, g := range n.guards {
		_ = g.Close()
	}
}

// addresses returns where each listens, by name.
func (n *listeners) addresses() map[string]string {
	all := make(map[string]string)
	for _, g := range n.guards {
		all[g.name] = g.Addr().String()
	}
	return all
}

// listenError names the setting, the address and who holds it.
func listenError(loaded *config.Loaded, key, address, holder string, err error) error {
	var sys *os.SyscallError
	reason := err.Error()
	if errors.As(err, &sys) {
		reason = sys.Err.Error()
	}
	if holder != "" {
		reason += ", held by " + holder
	}
	return &statusError{exitAddress, fmt.Errorf("%s: cannot listen on %q: %s; set by %s", key, address, reason, loaded.Origin(key))}
}

// beyondLoopback reports whether others than this machine can reach the
// listener.
func beyondLoopback(l net.Listener) bool {
	if l == nil {
		return false
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// hostPort returns the address under which a program on this machine reaches
// the listener.
func hostPort(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// portHolder names the process that has the TCP or UDP port of address, as far
// as /proc tells: empty if it does not.
func portHolder(network, address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	want := fmt.Sprintf(":%04X", atoi(port))
	state := "0A" // listening
	if network == "udp" {
		state = "07" // unconnected
	}
	for _, table := range []string{"/proc/net/" + network, "/proc/net/" + network + "6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && strings.HasSuffix(f[1], want) && f[3] == state {
				return inodeHolder(f[9])
			}
		}
	}
	return ""
}

func atoi(port string) int {
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		return 0
	}
	return n
}

// inodeHolder finds the process that has the socket with this inode open.
func inodeHolder(inode string) string {
	want := "socket:[" + inode + "]"
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	for _, p := range processes {
		dir := "/proc/" + p.Name()
		fds, err := os.ReadDir(dir + "/fd")
		if err != nil {
			continue // not a process, or not ours to see
		}
		for _, fd := range fds {
			if link, err := os.Readlink(dir + "/fd/" + fd.Name()); err == nil && link == want {
				name, _ := os.ReadFile(dir + "/comm")
				return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), p.Name())
			}
		}
	}
	return ""
}
