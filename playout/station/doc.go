// Package station is the play-out side of a node: it takes the messages of any
// number of streams, from the network or from the node's own publishers, and
// feeds the outputs of each stream (HLS, RTSP, HTTP-FLV).
//
// Each stream has one goroutine that runs its buffer and unpacks its messages.
// Taking a message never blocks: what does not fit into a stream's queue is
// dropped by class and counted.
package station
