// Package introducer is the meeting point of groups: whoever wants to join one
// says so here and learns the names of a few members, near on the ring and at
// random, and the introducer forwards the hellos by which two members get
// through their NATs.
//
// An [Introducer] is a protocol core on top of an rtmfp.Endpoint, beside a
// netconnection.Server on the same endpoint: the server takes connect and
// setPeerInfo and introduces peers to each other, the Introducer takes the
// group flows (metadata "GC"). It keeps its directory in memory and forgets a
// member with its session; after a restart the members come back by
// themselves. It needs no knowledge of a groupspec, only of the group's hash.
//
// Feed it the endpoint's events with HandleEvent. Not safe for concurrent use.
package introducer
