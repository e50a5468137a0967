package timer

import "github.com/ringcast/ringcast/reliability"

// TableSize is how many timers a [Table] has room for.
const TableSize = 16

// Table holds the timers of one object, each named by a constant below
// TableSize of a type of its own:
//
//	type timerID uint8
//
//	const (
//		timerAck  timerID = iota // acks are due; stopped when they are sent
//		timerPing                // nothing was heard; reset by each packet
//	)
//
//	var timers timer.Table[timerID]
//	timers.Set(timerAck, now.Add(200*time.Millisecond))
//	for id, ok := timers.PopDue(now); ok; id, ok = timers.PopDue(now) {
//		…
//	}
//	return timers.Next()
//
// The zero value has no timer running. Not safe for concurrent use.
type Table[ID ~uint8] struct {
	at   [TableSize]reliability.Time // 0: not running
	next reliability.Time            // the earliest of at, 0: none
}

// Set starts a timer, or moves it. A time before reliability.Start counts as
// that; Never stops it.
func (t *Table[ID]) Set(id ID, at reliability.Time) {
	if at == reliability.Never {
		t.Stop(id)
		return
	}
	at = max(at, reliability.Start)
	old := t.at[id]
	t.at[id] = at
	if old != 0 && old == t.next && at > old {
		t.recount()
	} else if t.next == 0 || at < t.next {
		t.next = at
	}
}

// SetEarlier starts a timer, or moves it if that makes it earlier.
func (t *Table[ID]) SetEarlier(id ID, at reliability.Time) {
	if old := t.at[id]; old == 0 || at < old {
		t.Set(id, at)
	}
}

// Stop stops a timer.
func (t *Table[ID]) Stop(id ID) {
	old := t.at[id]
	t.at[id] = 0
	if old != 0 && old == t.next {
		t.recount()
	}
}

// At returns when a timer fires, or Never if it does not run.
func (t *Table[ID]) At(id ID) reliability.Time {
	if t.at[id] == 0 {
		return reliability.Never
	}
	return t.at[id]
}

// IsSet reports whether a timer runs.
func (t *Table[ID]) IsSet(id ID) bool { return t.at[id] != 0 }

// Next returns when the next timer fires, or Never.
func (t *Table[ID]) Next() reliability.Time {
	if t.next == 0 {
		return reliability.Never
	}
	return t.next
}

// PopDue stops the timer that was due first and returns it, or false if none
// is. Of several that are due at one instant, the lowest comes first.
func (t *Table[ID]) PopDue(now reliability.Time) (ID, bool) {
	if t.next == 0 || t.next > now {
		return 0, false
	}
	for i, at := range t.at {
		if at == t.next {
			t.Stop(ID(i))
			return ID(i), true
		}
	}
	panic("timer: the earliest timer is not in the table")
}

func (t *Table[ID]) recount() {
	t.next = 0
	for _, at := range t.at {
		if at != 0 && (t.next == 0 || at < t.next) {
			t.next = at
		}
	}
}
