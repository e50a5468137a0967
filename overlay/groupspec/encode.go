package groupspec

import (
	"encoding/hex"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// EncodePublishAuthorization returns the password for publishing as text that
// may be put at the end of a groupspec.
func EncodePublishAuthorization(password string) string {
	return hex.EncodeToString(vlu.AppendOption(nil, optionPublishPassword, []byte(password)))
}

// EncodePostAuthorization returns the password for posting as text that may be
// put at the end of a groupspec (encodePostingAuthorization).
func EncodePostAuthorization(password string) string {
	return hex.EncodeToString(vlu.AppendOption(nil, optionPostPassword, []byte(password)))
}

// EncodeBootstrapPeer returns a bootstrap peer as text that may be put at the
// end of a groupspec (encodeBootstrapPeerIDSpec).
func EncodeBootstrapPeer(peer [32]byte) string {
	return hex.EncodeToString(vlu.AppendOption(nil, optionBootstrap, peer[:]))
}

// EncodeAddress returns an address of native IP multicast as text that may be
// put at the end of a groupspec (encodeIPMulticastAddressSpec).
func EncodeAddress(a Address) string {
	return hex.EncodeToString(appendAddressOption(nil, a))
}
