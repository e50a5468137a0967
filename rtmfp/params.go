package rtmfp

import (
	"errors"
	"fmt"
	"time"
)

// Protocol times of RFC 7016, section numbers in brackets.
const (
	openTimeout       = 95 * time.Second        // to open a session [3.5.1.1.1]
	helloFirst        = time.Second             // first interval of hellos and keyings,
	helloGrowth       = 1500 * time.Millisecond // and by how much each next one is longer
	closeResend       = 5 * time.Second         // [3.5.5]
	nearCloseTimeout  = 90 * time.Second
	farCloseLinger    = 19 * time.Second
	sendFlowLinger    = 130 * time.Second // [3.6.2.7]
	recvFlowLinger    = 120 * time.Second // [3.6.3.6]
	delayedAck        = 200 * time.Millisecond
	echoValid         = 128 * time.Second
	mobilityInterval  = time.Second
	mobilityValid     = 120 * time.Second
	timestampTick     = 4 * time.Millisecond
	probeFirst        = time.Second // a closed window is first asked about [3.6.2.9]
	probeMax          = time.Minute
	cookieLifetime    = 95 * time.Second
	secretLifetime    = 2 * cookieLifetime
	burstPackets      = 6    // data packets between acknowledgements [3.5.2.3]
	ackPackets        = 5    // data packets of our own kind that call for an acknowledgement,
	ackBytes          = 3000 // and two or more of so many bytes; the smallest window is 4,380
	lossNaks          = 3
	redirectThreshold = 24
	tagSize           = 16 // the one size that all deployed peers accept
	cookieSize        = 64 // likewise
	metadataMax       = 512
)

// Defences: what a peer can make grow is bounded by these.
const (
	maxRecvFlows   = 1024 // flows of one session and direction
	maxSendFlows   = 1024
	maxRanges      = 512  // gaps in what a flow has received
	maxEarly       = 18   // packets kept that overtook the RIKeying
	maxControl     = 64   // control chunks waiting in a session
	maxOutgoing    = 1024 // startup packets waiting
	maxPending     = 256  // keyings in progress as a responder
	maxPerAddress  = 4    // of them from one address
	maxPingMessage = 512
	maxCandidates  = 64 // addresses that one opening tries
	maxLocals      = 16 // local addresses that a hello goes out from
	maxPings       = 16 // questions of the application without an answer, in a session
)

// Params are an endpoint's settings. Start from DefaultParams.
type Params struct {
	// DatagramSize is the largest datagram to send, in bytes: 576 to 65,507.
	// Deployed peers cannot take more than about 1,200.
	DatagramSize int
	// DatagramMax is the largest datagram that a session tries whether its path
	// carries it, once there is data to send; DatagramSize or less tries none.
	DatagramMax int
	// Sessions is the most sessions, open or opening, 1 or more.
	Sessions int
	// SessionsPerAddress is the most sessions that one source, as SourceOf
	// tells them apart, may have that it has opened itself, 1 or more. Loopback
	// addresses are not held to it.
	SessionsPerAddress int
	// ReceiveBuffer is the room for messages that are not complete or not in
	// order yet, for each flow, in bytes; 16 KiB or more. Smaller limits the
	// speed over long paths.
	ReceiveBuffer int
	// SessionBuffer is the same for all flows of a session together; at least
	// ReceiveBuffer.
	SessionBuffer int
	// SendQueue is the most bytes that may wait in a flow before Write
	// refuses; 64 KiB or more.
	SendQueue int
	// Keepalive is after which silence a session is pinged, at least 1 s;
	// shorter keeps NAT mappings open and notices loss of contact earlier.
	Keepalive time.Duration
	// DeadAfter is how long a session may go without any sign of life though
	// it was asked for, at least 5 s.
	DeadAfter time.Duration
	// AcceptForwarded lets every session's far end introduce others
	// (FIHello). It should be set only when all of them are trusted servers.
	AcceptForwarded bool
}

// DefaultParams returns the settings for a node.
func DefaultParams() Params {
	return Params{
		DatagramSize: 1200,
		DatagramMax:  1452, // with IPv6 and UDP headers an Ethernet frame's 1,500
		Sessions:     100_000,

		SessionsPerAddress: 100_000,

		ReceiveBuffer: 2 << 20,
		SessionBuffer: 16 << 20,
		SendQueue:     16 << 20,
		Keepalive:     10 * time.Second,
		DeadAfter:     60 * time.Second,
	}
}

// Validate reports the first field that is out of range.
func (p Params) Validate() error {
	switch {
	case p.DatagramSize < 576 || p.DatagramSize > 65507:
		return fmt.Errorf("rtmfp: DatagramSize is %d bytes, want 576 to 65507", p.DatagramSize)
	case p.DatagramMax > 65507:
		return fmt.Errorf("rtmfp: DatagramMax is %d bytes, want 65507 or less", p.DatagramMax)
	case p.Sessions < 1:
		return fmt.Errorf("rtmfp: Sessions is %d, want 1 or more", p.Sessions)
	case p.SessionsPerAddress < 1:
		return fmt.Errorf("rtmfp: SessionsPerAddress is %d, want 1 or more", p.SessionsPerAddress)
	case p.ReceiveBuffer < 16<<10:
		return fmt.Errorf("rtmfp: ReceiveBuffer is %d bytes, want 16 KiB or more", p.ReceiveBuffer)
	case p.SessionBuffer < p.ReceiveBuffer:
		return fmt.Errorf("rtmfp: SessionBuffer is %d bytes, want ReceiveBuffer, %d, or more", p.SessionBuffer, p.ReceiveBuffer)
	case p.SendQueue < 64<<10:
		return fmt.Errorf("rtmfp: SendQueue is %d bytes, want 64 KiB or more", p.SendQueue)
	case p.Keepalive < time.Second:
		return fmt.Errorf("rtmfp: Keepalive is %v, want 1s or more", p.Keepalive)
	case p.DeadAfter < 5*time.Second:
		return fmt.Errorf("rtmfp: DeadAfter is %v, want 5s or more", p.DeadAfter)
	}
	return nil
}

// Errors of the API. An *ExceptionError or one of these comes with an event
// that ends something.
var (
	// ErrTimeout means that nobody answered in time.
	ErrTimeout = errors.New("rtmfp: timed out")
	// ErrClosed means that the session or flow is closed.
	ErrClosed = errors.New("rtmfp: closed")
	// ErrLimit means that there are as many sessions or flows as are allowed.
	ErrLimit = errors.New("rtmfp: too many")
	// ErrQueueFull means that a flow's queue is full: wait for it to drain.
	ErrQueueFull = errors.New("rtmfp: send queue is full")
	// ErrGone means that an introducer has said that the endpoint is not
	// there any more.
	ErrGone = errors.New("rtmfp: the endpoint has left")
	// ErrKeysSpent means that as much was sent with one key as it bears,
	// because the far end did not let it be replaced.
	ErrKeysSpent = errors.New("rtmfp: the session's key is used up")
	// ErrReplaced means that the far end opened another session in place of
	// this one.
	ErrReplaced = errors.New("rtmfp: replaced by a newer session")
)
