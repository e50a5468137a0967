// Package playout is what stands between the network and the players of a
// node: a [Sink] is one way of serving a stream, and the buffer puts messages
// in order, drops what is too late and paces the rest. The servers themselves
// are subpackages; package station ties them together for a node.
package playout
