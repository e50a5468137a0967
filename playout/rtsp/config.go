package rtsp

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
)

// Config holds the settings of a [Server].
type Config struct {
	// UDPPort is the first of two ports for RTP and RTCP, an even number; 0
	// takes a free pair. MulticastRange is where multicast groups are taken
	// from, in some /24 of it, and MulticastPort the first of two ports for
	// them; 0 takes a free pair.
	UDPPort        int
	MulticastRange string
	MulticastPort  int
	// DescribeWait is how long DESCRIBE waits for a stream to begin.
	DescribeWait time.Duration
	// MaxReaders bounds the readers of one stream.
	MaxReaders int
	// MaxQueueBytes bounds what waits for one reader over TCP.
	MaxQueueBytes int
	// WriteTimeout is how long a reader may take nothing.
	WriteTimeout time.Duration
	// ReportInterval is the time between RTCP sender reports.
	ReportInterval time.Duration
}

// DefaultConfig returns the usual settings.
func DefaultConfig() Config {
	return Config{
		MulticastRange: "239.192.0.0/16", MulticastPort: 0, DescribeWait: 5 * time.Second, MaxReaders: 4096,
		MaxQueueBytes: 4 << 20, WriteTimeout: 10 * time.Second, ReportInterval: time.Second,
	}
}

// Recorder takes the streams that publishers announce.
type Recorder interface {
	// Announce is asked when a publisher announces a stream; path is
	// canonical. The response says why if it refuses; the error, if any, is
	// one of the library's, which asks for authentication.
	Announce(ctx *gortsplib.ServerHandlerOnAnnounceCtx, path string) (Recording, *base.Response, error)
}

// Recording is a publisher's session.
type Recording interface {
	// Record is called when the publisher begins to send; it sets the
	// session's packet callbacks.
	Record(session *gortsplib.ServerSession) error
	// Close is called when the session ends.
	Close(err error)
}

// bindPair binds two UDP ports in a row, the first of them even, on a host. The
// sockets are kept, so that nobody else can take the ports meanwhile.
func bindPair(host string, first int) (pair [2]net.PacketConn, port int, ok bool) {
	for port := first; port < first+2000; port += 2 {
		a, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		b, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(port+1)))
		if err != nil {
			_ = a.Close()
			continue
		}
		return [2]net.PacketConn{a, b}, port, true
	}
	return pair, 0, false
}

// multicastPart returns some /24 of a range of IPv4 groups, or the range if it
// is no larger: servers on one LAN, which know nothing of each other, must not
// all begin with the same group.
func multicastPart(whole string) string {
	const bits = 24
	prefix, err := netip.ParsePrefix(whole)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() >= bits {
		return whole
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	base := binary.BigEndian.Uint32(prefix.Masked().Addr().AsSlice())
	base |= binary.BigEndian.Uint32(random[:]) >> prefix.Bits() &^ (1<<(32-bits) - 1)
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], base)
	return netip.PrefixFrom(netip.AddrFrom4(addr), bits).String()
}
