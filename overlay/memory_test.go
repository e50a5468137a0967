package overlay

import (
	"testing"
	"time"
	"unsafe"
)

// memory returns how many bytes a ring holds, by part. Random sources, the
// settings of the spec and shared working memory are not counted.
func (r *Ring) memory() map[string]int {
	m := map[string]int{"ring": int(unsafe.Sizeof(*r))}
	h := &r.heard
	m["heard"] = cap(h.slab)*int(unsafe.Sizeof(entry{})) + 8*cap(h.keys) + 2*(cap(h.order)+cap(h.free)+cap(h.table))
	for i := range h.slab {
		m["addrs"] += (len(h.slab[i].addrs) + 15) &^ 15
	}
	m["links"] = 8 * cap(r.links)
	for _, l := range r.links {
		m["links"] += int(unsafe.Sizeof(*l))
		m["lists"] += 4 * cap(l.list)
	}
	m["rest"] = 4*cap(r.sent) + cap(r.dials)*int(unsafe.Sizeof(dial{})) + cap(r.circuits)*int(unsafe.Sizeof(circuit{})) +
		cap(r.informers)*int(unsafe.Sizeof(informer{})) + cap(r.dialed)*int(unsafe.Sizeof(dialedAddr{})) + 40*(cap(r.own)+cap(r.observed))
	return m
}

// A ring takes little memory, so that thousands fit one process.
func TestMemory(t *testing.T) {
	p := DefaultRingParams()
	p.HeardLimit = 100
	s := newSim(t, simOptions{seed: 41, params: p, caps: CapOverlay, loss: 0.01, unreachable: 0.2})
	s.fill(300, 10*time.Millisecond)
	s.run(60 * time.Second)
	sum, total := map[string]int{}, 0
	for _, n := range s.nodes {
		for part, size := range n.ring.memory() {
			sum[part] += size
			total += size
		}
	}
	for part := range sum {
		sum[part] /= len(s.nodes)
	}
	t.Logf("%d bytes a node: %v; %.1f links", total/len(s.nodes), sum, s.rightness().mean)
	t.Logf("entry %d, link %d", unsafe.Sizeof(entry{}), unsafe.Sizeof(link{}))
	if total > 32_000*len(s.nodes) {
		t.Errorf("%d bytes a node", total/len(s.nodes))
	}
}
