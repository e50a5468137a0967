// Package netconnection is what Flash clients and servers say to each other
// over RTMFP flows (RFC 7425 section 5): NetConnection and NetStream, that is
// connect, createStream, publish, play and the messages of a stream, and the
// part of a server in introducing peers to each other.
//
// Server and Client are protocol cores on top of an rtmfp.Endpoint: feed them
// its events with HandleEvent, and take theirs with PollEvent. Not safe for
// concurrent use.
package netconnection
