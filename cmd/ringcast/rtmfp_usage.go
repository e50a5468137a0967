package main

import (
	"encoding/binary"
	"runtime"
	"time"
)

// usage is what a process has used since it started.
type usage struct {
	cpu     time.Duration
	mallocs uint64 // allocations
}

const usageSize = 16

func readUsage() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{processCPU(), m.Mallocs}
}

func (u usage) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(u.cpu))
	return binary.BigEndian.AppendUint64(b, u.mallocs)
}

func parseUsage(b []byte) (u usage, ok bool) {
	if len(b) != usageSize {
		return usage{}, false
	}
	return usage{time.Duration(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])}, true
}

func (u usage) since(before usage) usage {
	return usage{u.cpu - before.cpu, u.mallocs - before.mallocs}
}
