// Package swarm simulates whole groups: thousands of members with the real
// protocol cores, on a modelled network, in virtual time, on one goroutine.
// Everything that happens follows from a scenario and its seed; the same seed
// gives the same run, which a hash of everything that arrives anywhere shows.
//
//	sc, err := swarm.Named("steady", 1000)
//	report, err := swarm.Run(sc, swarm.Options{})
//	page := report.AppendHTML(nil)
//
// # The model
//
// What is below the cores is not RTMFP packet by packet but what becomes of its
// messages. A session comes about by an introducer or a common neighbor, in the
// time that the handshake's packets need; pairs that cannot connect never do. A
// packet first waits for the sender's line, then travels for the pair's
// latency: distance in a unit square, and a delay of its own for each end. Loss
// comes in bursts, on each directed way by itself. A lost fragment is sent again
// when a later packet of the same way has shown the gap to the receiver and the
// news has come back, or after the timeout, until its deadline; other messages
// are repeated until they arrive, and those behind them wait. Acknowledgements,
// pings and handshakes take their bytes from the same lines. Members that crash
// fall silent; nobody is told.
//
// A [Core] is what a node runs. Its verbs are those of the cores that run on
// real sockets, and it cannot tell the difference.
//
// # What is counted, and what must hold
//
// The ledger stands outside the cores: it counts what goes over the lines and
// what comes out at the applications, not what the cores say of themselves. On
// the way it holds them to their promises, and a [Report] lists what was broken:
// no message handed over twice, out of order or that nobody wrote; no fragment
// altered; nothing passed on that has left window and margin.
package swarm
