// Package reliability holds the project's notion of time and of what a late
// or lost message is worth.
//
// [Time] is the clock of every protocol core: a signed count of nanoseconds
// from an arbitrary start, handed in by the caller. No core reads a clock of
// its own, so the same core runs under a socket driver and in a simulation.
//
// [Class] ranks what a message carries (codec configuration, key frame,
// audio, …); the network engine drops from the lowest class upwards when it
// cannot deliver everything in time.
//
// [Policy] says how long each class is waited for, in which order it is sent
// and what is dropped first; [Chain] follows which pictures can still be
// decoded, so that no others are asked for.
//
// The package imports nothing of the project and is safe to import anywhere.
package reliability
