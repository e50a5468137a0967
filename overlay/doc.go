// Package overlay keeps the members of a group together: every node is linked
// with its neighbors on a ring of addresses, with a few members farther away
// and with some at random, finds them by gossip, and replaces those that leave.
// Over these links go posts, routed messages and objects, and the streams of
// package multicast.
//
// # The parts
//
//   - [Ring] decides who the neighbors are: it keeps the list of members that
//     were heard of, fills slots with links, probes them, gossips, and relays
//     for pairs that can't reach each other.
//   - [Router] passes messages from member to member towards an address.
//   - [Posting] spreads short messages to all.
//   - [Replicator] spreads numbered objects among those that want them.
//
// # Law of use
//
// All four are protocol cores: they are told of sessions and messages and the
// time, and answer with actions, events and the next deadline. They know
// nothing of the transport but what a [Transport] answers. Each method that
// takes now is one mutation; after it everything is polled until every poll
// answers false, and only then comes the next:
//
//	ring.HandleMessage(now, from, flow, message)
//	for action, ok := ring.PollAction(); ok; action, ok = ring.PollAction() {
//		perform(action) // dial, send, close, ping
//	}
//	for event, ok := ring.PollEvent(); ok; event, ok = ring.PollEvent() {
//		tell(event) // neighbors come, change and go
//	}
//	sleepUntil(ring.PollTimeout())
//
// Not safe for concurrent use.
package overlay
