//go:build unix

package udp

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// bindToGroup tells that a socket can be bound to a group's own address.
const bindToGroup = true

// shareAddress lets several sockets of this machine have one address.
func shareAddress(fd uintptr) error {
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if runtime.GOOS == "linux" {
		return nil // there SO_REUSEPORT would share the datagrams out instead
	}
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}
