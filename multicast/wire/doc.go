// Package wire reads and writes the messages by which the members of a group
// arrange who sends which fragment to whom. It holds no state.
//
// Every message is one RTMFP message of its own and begins with its type byte;
// every Append function writes that byte and every Parse function takes the
// whole message. What a Parse function returns borrows from its input unless
// its comment says otherwise. None of them allocates, except that an
// announcement's name becomes a string.
//
// Two families share the numbering:
//
//   - Flow GR 11, spoken by all implementations: announcement and end (21),
//     availability map (22), push mask (23), pull (2b).
//   - Flow GX 11, spoken between nodes that both announced the capability:
//     status (60), request (61), accept (62), refuse (63), stop (64), evict
//     (65), lost (66), pull (67), not held (68), busy (69), ancestors (6a).
//
// Fragments themselves travel on flow GR 12; their head is written by package
// fragmenter. Numbers are variable-length unsigned integers (package vlu)
// where no width is given.
package wire
