// Package profile is the cryptography profile of RTMFP that deployed endpoints
// use, that of Flash communication (RFC 7425): certificates with
// Diffie-Hellman keys whose hash is the peer ID, endpoint discriminators,
// session keys and AES-128-CBC packets with either a checksum or an HMAC and
// sequence numbers.
package profile
