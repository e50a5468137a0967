//go:build unix

package main

import (
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// receiveBuffer returns the size in bytes that the kernel gave a socket.
func receiveBuffer(c *net.UDPConn) (size int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { size, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	if runtime.GOOS == "linux" {
		size /= 2 // it tells the double, for its bookkeeping
	}
	return size
}
