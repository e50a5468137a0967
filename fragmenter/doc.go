// Package fragmenter cuts messages into numbered fragments, the unit that a
// group passes on, and joins them again.
//
// A stream is cut once, by its publisher ([Fragmenter]); everyone else relays
// the fragments byte for byte. Fragments of a stream are numbered upwards
// without gaps, and a message takes consecutive numbers, at most
// [MaxFragments]. [AppendFragment] and [ParseFragment] know how one looks on
// the wire, where it is one message of flow GR 12.
//
// A [Reassembler] follows which fragments a receiver has and hands over whole
// messages in order. It keeps a few bytes for each fragment and no payload:
// that stays where it is kept for relaying anyway ([Store]).
//
// Nothing here is safe for concurrent use.
package fragmenter
