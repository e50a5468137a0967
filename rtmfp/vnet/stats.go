package vnet

// Stats counts what became of the packets of a network since it was made.
// Sent + Duplicated + Multicast = Delivered + Flooded + Dropped() + those under
// way.
type Stats struct {
	Events     uint64 // events handled
	Sent       uint64 // datagrams handed over by hosts
	SentBytes  uint64 // their IP packets' nominal size
	Delivered  uint64 // datagrams handed to hosts
	Flooded    uint64 // multicast datagrams that reached their LAN
	Multicast  uint64 // copies made of them, one for each member
	Duplicated uint64 // copies made by links
	Reordered  uint64 // packets held back by links
	Corrupted  uint64 // packets in which a link turned over a bit

	Lost         uint64 // dropped by a link at random
	QueueDropped uint64 // dropped because a link's queue was full
	TooBig       uint64 // dropped because they exceeded a link's MTU
	NoRoute      uint64 // dropped because nobody has the address
	Filtered     uint64 // dropped by a NAT that has no mapping or filters
	NATFull      uint64 // dropped by a NAT whose table is full
	Partitioned  uint64 // dropped between partitions
	Unplugged    uint64 // dropped because a host was unplugged or unbound
}

// Dropped returns how many packets did not arrive, for whatever reason.
func (s Stats) Dropped() uint64 {
	return s.Lost + s.QueueDropped + s.TooBig + s.NoRoute + s.Filtered + s.NATFull + s.Partitioned + s.Unplugged
}
