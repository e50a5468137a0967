// Package fragmenter cuts messages into numbered fragments, the unit that a
// group passes on, and joins them again.
//
// A stream is cut once, by its publisher; everyone else relays the fragments
// byte for byte. Fragments of a stream are numbered upwards without gaps, and
// a message takes consecutive numbers.
package fragmenter
