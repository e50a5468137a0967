package multicast

import (
	"encoding/binary"
	"time"

	"github.com/ringcast/ringcast/multicast/ipm"
)

// lanLatency is the way between two members of a LAN.
const lanLatency = 300 * time.Microsecond

// testLAN is a local network with native multicast.
type testLAN struct {
	net     *testNet
	members []*testNode
	loss    float64 // of each member by itself
	down    bool    // multicast works no more
	// sent is how many fragments each member has multicast.
	sent map[*testNode]int
}

// addLAN puts members on a LAN of their own, before they are linked. All of
// them may pass a stream on.
func (n *testNet) addLAN(members ...*testNode) *testLAN {
	l := &testLAN{net: n, members: members, sent: map[*testNode]int{}}
	for _, node := range members {
		node.lan = l
		node.x, node.y = members[0].x, members[0].y
		rank := 0
		for _, other := range members {
			if tagOfNode(other) < tagOfNode(node) {
				rank++
			}
			if other != node {
				node.engine.SetLAN(n.now, other.id)
			}
		}
		node.engine.SetNative(n.now, true, true, rank)
	}
	return l
}

func tagOfNode(node *testNode) ipm.Tag { return ipm.TagOf(node.id) }

// multicast gives the other members of the LAN what the engine has for them.
func (node *testNode) multicast() {
	if node.engine == nil || node.lan == nil {
		return
	}
	l := node.lan
	for out, ok := node.engine.PollNative(); ok; out, ok = node.engine.PollNative() {
		if out.Fragment != nil {
			l.sent[node]++
		}
		for _, other := range l.members {
			if other == node || l.down || l.net.rand.Float64() < l.loss {
				continue
			}
			l.net.after(lanLatency, func() { other.hear(node, &out) })
		}
	}
}

// hear takes what a member of the LAN has multicast.
func (node *testNode) hear(from *testNode, out *NativeOut) {
	if !node.up || !from.up {
		return
	}
	tag := [4]byte(binary.BigEndian.AppendUint32(nil, uint32(tagOfNode(from))))
	if out.Fragment != nil {
		node.engine.HandleNative(node.net.now, [8]byte(out.Key[:8]), out.Fragment, tag)
	} else {
		node.engine.HandleNativeInfo(node.net.now, out.Announcement, out.Relayed, tag)
	}
	node.drain()
}
