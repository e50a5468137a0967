// Package wire reads and writes the messages by which the members of a group
// find and keep each other, and what they say besides media. It holds no state.
//
// Every message is one RTMFP message of its own. Append functions write the
// type byte, where the message has one, and Parse functions take the whole
// message. What a Parse function returns borrows nothing from its input unless
// its comment says so. All counts are bounded by the constants of this package;
// what exceeds them is refused as a whole. Types that are not known are for the
// caller to ignore: Kind tells the type.
//
// The flows, by their metadata:
//
//   - GC, between a member and a server: join (01), member (0b).
//   - GR 1C, membership: connect (01), accepted (02), report (0a), disconnect
//     (0c), ready (0e, 0f).
//   - GR 18 and GR 19, posting: have (30), want (3a), and bare values.
//   - GR 1D, directed routing: bare values.
//   - GX 10, extensions of the overlay: neighbors (50), suspect (51), refuse
//     (52), relay open, data and close (53, 54, 55).
//   - GX 14 and GX 15, object replication: have (40, 41, 42), request (48),
//     cancel (49), deny (4a), object (4c).
//
// GR flows are spoken by all implementations, GX flows only between nodes that
// announced the capability in their connect messages. Numbers are
// variable-length unsigned integers (package vlu) where no width is given. The
// byte tables stand over the types; docs/protocol.md has them in one place,
// with examples.
package wire
