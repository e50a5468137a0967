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
		holder = portHolder(address)
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

// listenTLS opens the listener for RTMPS.
func listenTLS(ctx context.Context, loaded *config.Loaded, log *slog.Logger) (net.Listener, error) {
	c := loaded.RTMP
	if c.TLSListen == "" {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(c.TLSCertificate, c.TLSKey)
	if err != nil {
		return nil, usageError(fmt.Errorf("rtmp.tlsCertificate and rtmp.tlsKey: %w; set by %s", err, loaded.Origin("rtmp.tlsCertificate")))
	}
	l, err := listen(ctx, loaded, "rtmp.tlsListen", c.TLSListen, log)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), nil
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

// portHolder names the process that listens on the TCP port of address, as
// far as /proc tells: empty if it does not.
func portHolder(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	want := fmt.Sprintf(":%04X", atoi(port))
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			const listening = "0A"
			f := strings.Fields(line)
			if len(f) > 9 && strings.HasSuffix(f[1], want) && f[3] == listening {
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
