package udp

import "sync/atomic"

// Stats counts what a driver's sockets have done since it was made. A batch
// that gets shorter shows here first.
type Stats struct {
	ReadCalls       uint64 // system calls that returned datagrams
	ReadDatagrams   uint64 // datagrams received
	ReadBytes       uint64 // their payload
	WriteCalls      uint64 // system calls that sent datagrams
	WriteDatagrams  uint64 // datagrams sent
	WriteBytes      uint64 // their payload
	SegmentedRuns   uint64 // runs handed to the kernel in one piece
	OffloadRefusals uint64 // times the kernel refused such a run
	ReadErrors      uint64 // reads that failed
	WriteErrors     uint64 // datagrams and runs that could not be sent
	Truncated       uint64 // datagrams dropped because they were too large
	Unroutable      uint64 // runs for which no socket fits
	Timeouts        uint64 // deadlines handled
	Works           uint64 // slow computations done
}

// counters is Stats as the goroutines count.
type counters struct {
	readCalls, readDatagrams, readBytes    atomic.Uint64
	writeCalls, writeDatagrams, writeBytes atomic.Uint64
	segmentedRuns, offloadRefusals         atomic.Uint64
	readErrors, writeErrors, truncated     atomic.Uint64
	unroutable, timeouts, works            atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		ReadCalls: c.readCalls.Load(), ReadDatagrams: c.readDatagrams.Load(), ReadBytes: c.readBytes.Load(),
		WriteCalls: c.writeCalls.Load(), WriteDatagrams: c.writeDatagrams.Load(), WriteBytes: c.writeBytes.Load(),
		SegmentedRuns: c.segmentedRuns.Load(), OffloadRefusals: c.offloadRefusals.Load(),
		ReadErrors: c.readErrors.Load(), WriteErrors: c.writeErrors.Load(), Truncated: c.truncated.Load(),
		Unroutable: c.unroutable.Load(), Timeouts: c.timeouts.Load(), Works: c.works.Load(),
	}
}
