package rtmfp

// timerHeap holds the sessions that wait for a time, the earliest first. Each
// session knows its place, so that it can be moved.
type timerHeap []*Session

// set gives s a deadline; it is put in, moved or, with reliability.Never,
// taken out.
func (h *timerHeap) set(s *Session, deadline Instant, never bool) {
	switch {
	case never && s.heapIndex < 0:
		s.deadline = deadline
	case never:
		h.remove(s)
		s.deadline = deadline
	case s.heapIndex < 0:
		s.deadline = deadline
		s.heapIndex = len(*h)
		*h = append(*h, s)
		h.up(s.heapIndex)
	default:
		s.deadline = deadline
		h.fix(s.heapIndex)
	}
}

func (h *timerHeap) remove(s *Session) {
	old := *h
	i, last := s.heapIndex, len(old)-1
	s.heapIndex = -1
	if i != last {
		old[i] = old[last]
		old[i].heapIndex = i
	}
	old[last] = nil
	*h = old[:last]
	if i != last {
		h.fix(i)
	}
}

func (h *timerHeap) fix(i int) {
	h.up(i)
	h.down(i)
}

func (h *timerHeap) up(i int) {
	s := *h
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].deadline <= s[i].deadline {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *timerHeap) down(i int) {
	s := *h
	for {
		child := 2*i + 1
		if child >= len(s) {
			return
		}
		if child+1 < len(s) && s[child+1].deadline < s[child].deadline {
			child++
		}
		if s[i].deadline <= s[child].deadline {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h *timerHeap) swap(i, j int) {
	s := *h
	s[i], s[j] = s[j], s[i]
	s[i].heapIndex, s[j].heapIndex = i, j
}
