// Package profile holds the cryptography profiles of RTMFP.
//
// Flash is that of RFC 7425, which deployed endpoints use: certificates with
// Diffie-Hellman keys whose hash is the peer ID, endpoint discriminators,
// session keys and AES-128-CBC packets with either a checksum or an HMAC and
// sequence numbers.
//
// The modern profile is for our own nodes. It rides inside the same startup of
// four packets, adds no round trip, and is announced by one option in the
// certificate that others ignore. Keys are agreed on by X25519, static and
// ephemeral on both sides as in Noise IK, and authenticated by tags over
// everything that the two have shown each other. Packets are AES-128-GCM or
// ChaCha20-Poly1305 with a 64-bit counter. Keys are replaced now and then, each
// direction by itself. One who announces the modern profile is never keyed by
// the other.
//
// Node speaks both: the modern profile with its own kind, RFC 7425 with the
// rest. Its identities follow from Secrets.
package profile
