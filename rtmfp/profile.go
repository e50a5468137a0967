package rtmfp

import (
	"io"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Identity is an endpoint as its certificate shows it.
type Identity struct {
	// Certificate is the whole certificate as it was sent.
	Certificate []byte
	// EPD is the canonical endpoint discriminator, which selects this
	// certificate and no other.
	EPD []byte
	// Fingerprint is the endpoint's name: the peer ID.
	Fingerprint [32]byte
	// OtherEPD selects the same endpoint for those who do not know its kind
	// and to whom it shows another certificate. It is nil without one, or if
	// the certificate does not tell.
	OtherEPD []byte
}

// Profile is a cryptography profile (RFC 7016 section 3.2): what certificates,
// discriminators and keys are. Methods that return a function return slow work
// that may run on any goroutine; all else is quick and is called by the core.
//
// An endpoint may have several certificates, for far ends of several kinds.
// They are told apart by numbers that only the profile understands.
type Profile interface {
	// Self returns the endpoint's own identity, by which it is known to its
	// own kind.
	Self() Identity
	// Answer returns the certificate to show to one who asks for epd, and its
	// number. It reports false if epd does not select this endpoint.
	Answer(epd []byte) (certificate []byte, number uint8, ok bool)
	// CertificateFor returns the certificate that the endpoint shows to far
	// when it initiates, which also decides who yields when both do.
	CertificateFor(far Identity) []byte
	// Identify reads a far certificate. It fails if the certificate cannot
	// key a session with this endpoint.
	Identify(certificate []byte) (Identity, error)
	// Selects reports whether epd selects an endpoint.
	Selects(epd []byte, id Identity) bool
	// Startup returns a key for the packets before a session has its own.
	Startup() SessionKey
	// Initiate returns the work of beginning to key a session with the
	// endpoint far. It fails if there can be no session.
	Initiate(far Identity, entropy io.Reader) (func() (InitiatorKeying, error), error)
	// Respond returns the work of keying a session that a far end initiates.
	Respond(r Request, entropy io.Reader) func() (Response, error)
}

// InitiatorKeying is the initiator's side of keying one session.
type InitiatorKeying interface {
	// Component returns the initiator's session key component.
	Component() []byte
	// AppendSignature appends the signature over the parameters. The last
	// parameters that were signed are those that Finish expects an answer to.
	AppendSignature(b, parameters []byte) []byte
	// Finish returns the work of keying the session with the responder's
	// component. signed is the portion of the RIKeying that the signature
	// covers.
	Finish(component, signed, signature []byte) func() (Keys, error)
}

// Request is an IIKeying to be answered. The slices are not changed any more.
type Request struct {
	Far Identity
	// Shown is the number of the certificate that the initiator has seen.
	Shown uint8
	// SessionID is what the answer will name.
	SessionID wire.SessionID
	// Component is the initiator's, Signed what its Signature covers.
	Component, Signed, Signature []byte
}

// Response is what a responder answers an IIKeying with.
type Response struct {
	Component, Signature []byte
	Keys                 Keys
}

// Keys are what a session is keyed with.
type Keys struct {
	Key SessionKey
	// NoProbes tells that the far end is of a family that takes a Buffer Probe
	// for an offence and closes the session.
	NoProbes bool
	// NearNonce and FarNonce are known to both ends, crosswise, and to
	// nobody else: material for proofs.
	NearNonce, FarNonce []byte
	// Own tells that the far end is of our own kind. It keeps to RFC 7016
	// without the limits of other makes, and as a responder the session
	// counts only when the initiator has shown that it has the keys.
	Own bool
	// Export derives n bytes, at most 8,160, for an application's purpose
	// that is named. It is nil where the profile has no such thing.
	Export func(name string, n int) []byte
}

// SessionKey encrypts and decrypts the packets of one session. Not safe for
// concurrent use.
type SessionKey interface {
	// Head returns how many bytes the next packet needs before its plain
	// text.
	Head() int
	// Room returns the length of the largest plain packet that fits into a
	// datagram of size bytes, the session ID counted.
	Room(size int) int
	// Seal encrypts a packet. b holds Head bytes to be filled in and then the
	// plain packet. It appends padding and authentication to b and returns
	// it; b has capacity for it.
	Seal(b []byte) []byte
	// Open decrypts b, all that follows the session ID, in place, and returns
	// the plain packet with its padding. It reports false for what is forged,
	// damaged or a repetition; then b may be spoiled and nothing else has
	// happened.
	Open(b []byte) (plain []byte, ok bool)
	// Describe names the algorithms, for traces.
	Describe() string
}

// Tracer is told of everything that passes. Arguments are borrowed for the
// call.
type Tracer interface {
	// TracePacket tells of a plain packet that is sent or was received.
	TracePacket(now Instant, p TracedPacket)
	// TraceState tells of a session's change of state.
	TraceState(now Instant, s *Session, from, to SessionState)
}

// TracedPacket is a packet as a tracer sees it.
type TracedPacket struct {
	Sent    bool
	Far     wire.Address
	Session wire.SessionID
	// Plain is the decrypted packet, with padding if it was received.
	Plain []byte
	// Size is the length of the datagram in bytes.
	Size int
}
