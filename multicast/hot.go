package multicast

import (
	"unsafe"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/internal/prefetch"
	"github.com/ringcast/ringcast/overlay"
)

// Hot appends the memory that a fragment's way through the engine always
// touches. It is for a process that hosts thousands of engines and knows whose
// turn is next. The list is good until a stream begins or ends.
func (e *Engine) Hot(list []prefetch.Region) []prefetch.Region {
	tail := unsafe.Offsetof(e.tag)
	list = append(list, prefetch.Part(unsafe.Pointer(&e.tag), unsafe.Sizeof(*e)-tail-unsafe.Sizeof(e.scratch)))
	list = append(list, prefetch.Part(unsafe.Pointer(e.config.Uplink), unsafe.Sizeof(*e.config.Uplink)))
	s := e.recent
	if s == nil {
		return list
	}
	list = append(list,
		prefetch.Part(unsafe.Pointer(s), unsafe.Offsetof(s.slices)),
		prefetch.Part(unsafe.Pointer(&s.slots), unsafe.Sizeof(*s)-unsafe.Offsetof(s.slots)),
		prefetch.Part(unsafe.Pointer(&s.win.now), unsafe.Sizeof(*s.win)-unsafe.Offsetof(s.win.now)),
	)
	if n := len(e.ids); n > 0 {
		list = append(list, prefetch.Part(unsafe.Pointer(&e.ids[0]), uintptr(n)*8))
	}
	if s.assembler != nil {
		list = append(list, prefetch.Of(s.assembler))
	}
	return list
}

// Expect asks for the memory of the engine's state about one fragment of the
// stream that came last, which a neighbor has sent and will be handled soon.
func (e *Engine) Expect(from *overlay.PeerID, id fragmenter.ID) {
	s := e.recent
	if s == nil {
		return
	}
	s.win.expect(id)
	prefetch.Fetch(&s.slices[id.Slice()])
	begin := idBegin(from)
	for i, other := range e.ids {
		if other == begin && e.neighbors[i] != nil {
			prefetch.Fetch(e.neighbors[i])
			prefetch.Fetch(&s.peers[i])
			break
		}
	}
}

func (w *Window) expect(id fragmenter.ID) {
	prefetch.Fetch(w.at(id))
	prefetch.Fetch(&w.held[w.word(id)])
	if w.shared != nil {
		prefetch.Fetch(&w.shared[id&fragmenter.ID(len(w.shared)-1)])
	}
}
