// Package vnet is a virtual network for tests and simulations: hosts, LANs,
// NATs of every kind, and links with delay, jitter, loss, reordering,
// duplication and a rate, all in virtual time on one goroutine. Everything
// that happens follows from one seed, so a failing run is replayed by its
// number, and minutes of network time take milliseconds.
//
// A network is a core (the make-believe Internet) with hosts and LANs on it.
// LANs attach to the core or to other LANs, through a NAT or not; each
// interface of a host has a cable with properties of its own, and so has each
// LAN. Multicast reaches the members on the same LAN and goes no further.
//
//	n := vnet.New(seed)
//	home, err := n.AddLAN(vnet.LANParams{NAT: &nat, Outside: outside})
//	host := n.AddHost()
//	err = host.AddInterface(home, addr, up, down)
//	host.SetReceiver(r)
//	n.Run(10 * time.Second)
//
// Events at one instant happen in the order in which they were put in. Cost is
// about a tenth of a microsecond for each event beside what the receivers do,
// whether ten or a million are pending.
package vnet
