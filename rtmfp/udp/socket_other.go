//go:build !linux

package udp

import "net"

// newSocket makes the best socket that the system offers.
func newSocket(conn *net.UDPConn, _ bool, count *counters) (socket, error) {
	return newPlainSocket(conn, count), nil
}

// bufferSizes returns 0: the sizes that the kernel gave are not known here.
func bufferSizes(*net.UDPConn) (receive, send int) { return 0, 0 }
