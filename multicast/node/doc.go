// Package node is live multicast in groups for Go programs: a [Node] binds UDP
// sockets, joins groups, publishes streams into them and plays those of others.
//
//	n, err := node.Listen(node.DefaultConfig())
//	go n.Run(ctx)
//	g, err := n.Join(ctx, "G:…", node.JoinOptions{Introducers: []node.Introducer{{Addr: "192.0.2.7:1935"}}})
//
//	p, err := g.Publish("live/camera", nil)         // one copy leaves here
//	err = p.Write(message)
//
//	s, err := g.Play("live/camera", func(m packager.Message) { … })
//
// It is the face of the cores below: multicast.Node, overlay.Ring and the rest
// are driven by rtmfp/udp. All methods may be called from any goroutine.
// Functions that are handed in are called with the cores locked: they must not
// block and must not call the node.
package node
