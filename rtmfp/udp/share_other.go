//go:build !unix

package udp

import "golang.org/x/sys/windows"

// bindToGroup tells that a socket can be bound to a group's own address.
const bindToGroup = false

// shareAddress lets several sockets of this machine have one address.
func shareAddress(fd uintptr) error {
	return windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
}
