package wire

import "github.com/ringcast/ringcast/rtmfp/vlu"

// optionFingerprint is the type of the option that names a peer in an endpoint
// discriminator (RFC 7425 section 4.4.2.1).
const optionFingerprint = 0x0f

// PeerEPDLen is how many bytes AppendPeerEPD writes.
const PeerEPDLen = 34

// AppendPeerEPD appends the endpoint discriminator of a peer: an option that
// holds its fingerprint.
//
//	21 0f peer[32]
func AppendPeerEPD(b []byte, peer [32]byte) []byte {
	return vlu.AppendOption(b, optionFingerprint, peer[:])
}

// ParsePeerEPD finds the fingerprint in an endpoint discriminator. Other
// options are ignored.
func ParsePeerEPD(b []byte) (peer [32]byte, err error) {
	for r := (reader{vlu.Reader{B: b}}); len(r.B) > 0; {
		o := r.Option()
		if r.Err != nil {
			return peer, r.Err
		}
		if !o.Marker && o.Type == optionFingerprint && len(o.Value) == len(peer) {
			copy(peer[:], o.Value)
			return peer, nil
		}
	}
	return peer, ErrMalformed
}
