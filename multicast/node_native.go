package multicast

import (
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

type nativeChannel struct{}

func (c *nativeChannel) pollTimeout() reliability.Time                    { return reliability.Never }
func (n *Node) openNative(reliability.Time, *membership, *groupspec.Spec) {}
func (n *Node) handleNative(reliability.Time, *rtmfp.Datagram)            {}
func (n *Node) nativeTimeouts(reliability.Time)                           {}
func (n *Node) pollNative(reliability.Time, []byte) (int, rtmfp.Transmit, bool) {
	return 0, rtmfp.Transmit{}, false
}
