// Package multicast carries live streams through a group of peers: one copy
// leaves the publisher, every member gets it a fraction of a second later.
//
// A stream is a run of numbered fragments. Eight slices (fragment number modulo
// eight) take different ways: for each slice a node has one owner, the neighbor
// that pushes it, so that the owners form up to eight trees. What a tree loses
// is pulled from any neighbor that holds it. Between two nodes that announced
// it, owners are found by request and grant (messages of flow GX 11); towards
// all others the engine speaks the plain protocol of availability maps, push
// masks and pulls (flow GR 11). Both meet in one window of fragments, as do
// fragments from native IP multicast.
//
// # The parts
//
//   - [Engine] holds all streams of one group at one node: publishing, playing
//     and relaying.
//   - [Uplink] is the node's one upload queue, shared by the engines of all its
//     groups. It decides what is sent next and keeps to the upload limit.
//   - [Params] are the settings; those that the publisher announces hold for
//     every member of the stream.
//
// # Law of use
//
// An engine owns no socket, goroutine or clock. Each method that takes now is
// one mutation. After it, everything is polled until every poll answers false,
// and only then comes the next mutation. Control messages go out before media:
//
//	engine.HandleMessage(now, from, key, flow, b)
//	for send, ok := engine.PollSend(); ok; send, ok = engine.PollSend() {
//		write(send.Peer, send.Key, send.Flow, send.Data)
//	}
//	for packet, ok := uplink.Poll(now); ok; packet, ok = uplink.Poll(now) {
//		write(packet.Peer, packet.Key, packet.Flow, packet.Data) // until packet.Deadline
//	}
//	for event, ok := engine.PollEvent(); ok; event, ok = engine.PollEvent() {
//		deliver(event)
//	}
//	sleepUntil(min(engine.PollTimeout(), uplink.PollTimeout()))
//
// Bytes handed in are borrowed for the call; bytes handed out are never written
// again. Nothing here is safe for concurrent use.
package multicast
