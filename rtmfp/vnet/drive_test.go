package vnet

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// script is a core whose every verb is recorded.
type script struct {
	out      []rtmfp.Transmit
	bytes    [][]byte
	got      []string
	timeouts []reliability.Time
	results  []any
	deadline reliability.Time
	pending  []rtmfp.Work
	reacted  int
}

func (s *script) HandleDatagrams(_ reliability.Time, batch []rtmfp.Datagram) {
	for _, d := range batch {
		s.got = append(s.got, string(d.Data))
	}
}

func (s *script) HandleTimeout(now reliability.Time) {
	s.timeouts = append(s.timeouts, now)
	s.deadline = reliability.Never
}

func (s *script) HandleWork(_ reliability.Time, r rtmfp.WorkResult) {
	s.results = append(s.results, r.Value)
}

func (s *script) PollTransmit(_ reliability.Time, buf []byte) (int, rtmfp.Transmit, bool) {
	if len(s.out) == 0 {
		return 0, rtmfp.Transmit{}, false
	}
	t, n := s.out[0], copy(buf, s.bytes[0])
	s.out, s.bytes = s.out[1:], s.bytes[1:]
	return n, t, true
}

func (s *script) PollWork() (rtmfp.Work, bool) {
	if len(s.pending) == 0 {
		return rtmfp.Work{}, false
	}
	w := s.pending[0]
	s.pending = s.pending[1:]
	return w, true
}

func (s *script) PollTimeout() reliability.Time { return s.deadline }

func TestDriverRunsACore(t *testing.T) {
	n := New(1)
	a, b := &script{deadline: reliability.Never}, &script{deadline: n.Now().Add(time.Second)}
	hosts := [2]*Host{n.AddHost(), n.AddHost()}
	for i, addr := range []string{"192.0.2.1:1", "192.0.2.2:1"} {
		if err := hosts[i].AddInterface(nil, ap(addr), LinkParams{}, LinkParams{}); err != nil {
			t.Fatal(err)
		}
	}
	driver := Drive(hosts[0], a)
	driver.WorkTime = 3 * time.Second
	Drive(hosts[1], b).React = func(reliability.Time) bool {
		b.reacted++
		return b.reacted == 1 // once more, and then at rest
	}
	driver.Do(func(reliability.Time) {
		a.out = append(a.out, rtmfp.Transmit{To: ap("192.0.2.2:1"), SegmentSize: 4})
		a.bytes = append(a.bytes, []byte("one two 3"))
		a.pending = append(a.pending, rtmfp.Work{ID: 1, Compute: func() any { return 42 }})
	})
	n.Run(2 * time.Second)
	if len(b.got) != 3 || b.got[0] != "one " || b.got[2] != "3" {
		t.Errorf("the run arrived as %q, want three datagrams", b.got)
	}
	if len(b.timeouts) != 1 || b.timeouts[0] != reliability.Start.Add(time.Second) {
		t.Errorf("timeouts at %v, want one at 1 s", b.timeouts)
	}
	if b.reacted != 5 {
		t.Errorf("asked %d times for a reaction, want 5: four mutations and one repetition", b.reacted)
	}
	if len(a.results) != 0 {
		t.Error("the result came before its time")
	}
	n.Run(2 * time.Second)
	if len(a.results) != 1 || a.results[0] != 42 {
		t.Errorf("results %v, want 42", a.results)
	}
}
