// Package lab makes throw-away networks of Linux network namespaces for tests:
// hosts with addresses of their own on a make-believe Internet or on LANs
// behind routers with every kind of NAT, over cables with delay, loss and a
// rate. Nothing in a lab is attached to the machine's own network, so no
// traffic can leave it; it is removed when its test ends.
//
//	lab.Need(t)
//	l := lab.New(t)
//	nat := vnet.PortRestricted()
//	home := l.AddLAN("home", lab.LANConfig{NAT: &nat})
//	peer := home.AddHost("peer", lab.HostConfig{})
//	server := l.AddHost("server", lab.HostConfig{Up: &faults, Down: &faults})
//	err := peer.Do(func() error { … sockets made here live in peer … })
//	err = server.Start(exec.Command("program"))
//
// A socket stays in the namespace in which it was made, so one test can hold
// sockets in many hosts. Cables with faults run through this process, frame by
// frame, because many kernels come without netem; the fault model is that of
// the virtual network, and so are the names of the NATs.
//
// It needs root, iproute2 and, for NATs, nftables. Linux only.
package lab
