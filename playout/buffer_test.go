package playout

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

func message(ms int, class reliability.Class, size int) packager.Message {
	return packager.Message{Type: packager.MessageVideo, Timestamp: uint32(ms), Class: class, Payload: make([]byte, size)}
}

func TestBufferWithoutDelayPassesAtOnce(t *testing.T) {
	b := NewBuffer(DefaultBufferParams())
	for i, ms := range []int{1000, 1040, 1020, 1080} {
		now := reliability.Start.Add(time.Duration(i) * time.Millisecond)
		b.Push(now, message(ms, reliability.ClassKey, 10))
		m, ok := b.Poll(now)
		if !ok || int(m.Timestamp) != ms {
			t.Errorf("message %d: got %d, %v", ms, m.Timestamp, ok)
		}
		if _, ok := b.Poll(now); ok || b.PollTimeout() != reliability.Never {
			t.Error("the buffer is not empty")
		}
	}
}

// Messages that are shuffled by less than the delay come out in order, evenly,
// and none is lost. The seed is printed on failure.
func TestBufferOrders(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		params := DefaultBufferParams()
		params.Delay = 300 * time.Millisecond
		b := NewBuffer(params)
		type arrival struct {
			at reliability.Time
			ms int
		}
		var arrivals []arrival
		for i := range 100 {
			jitter := time.Duration(rng.IntN(250)) * time.Millisecond
			arrivals = append(arrivals, arrival{reliability.Start.Add(time.Duration(i)*40*time.Millisecond + jitter), 5000 + 40*i})
		}
		got := 0
		for now := reliability.Start; now < reliability.Start.Add(6*time.Second); now = now.Add(5 * time.Millisecond) {
			for _, a := range arrivals {
				if a.at >= now && a.at < now.Add(5*time.Millisecond) {
					b.Push(a.at, message(a.ms, reliability.ClassReference, 10))
				}
			}
			for m, ok := b.Poll(now); ok; m, ok = b.Poll(now) {
				if want := 5000 + 40*got; int(m.Timestamp) != want {
					t.Fatalf("seed %d: message %d came, want %d", seed, m.Timestamp, want)
				}
				got++
			}
		}
		if late := b.Stats().Late[reliability.ClassReference]; got != 100 || late != 0 {
			t.Fatalf("seed %d: %d of 100 passed, %d late", seed, got, late)
		}
	}
}

func TestBufferDropsLate(t *testing.T) {
	params := DefaultBufferParams()
	params.Delay = 100 * time.Millisecond
	b := NewBuffer(params)
	b.Push(reliability.Start, message(1000, reliability.ClassKey, 10))
	b.Push(reliability.Start.Add(time.Millisecond), message(1080, reliability.ClassReference, 10))
	for now := reliability.Start; now < reliability.Start.Add(time.Second); now = b.PollTimeout() {
		b.Poll(now)
	}
	b.Push(reliability.Start.Add(time.Second), message(1040, reliability.ClassDisposable, 10))
	if s := b.Stats(); s.Late[reliability.ClassDisposable] != 1 || b.Len() != 0 || s.Passed != 2 {
		t.Errorf("%+v, %d held", s, b.Len())
	}
}

// What does not fit goes by class, the lowest first.
func TestBufferOverflow(t *testing.T) {
	params := BufferParams{Delay: time.Hour, MaxMessages: 10, MaxBytes: 1 << 20}
	b := NewBuffer(params)
	for i := range 30 {
		class := reliability.ClassDisposable
		if i%3 == 0 {
			class = reliability.ClassAudio
		}
		b.Push(reliability.Start, message(1000+i, class, 10))
	}
	s := b.Stats()
	if b.Len() != 10 || s.Overflow[reliability.ClassAudio] != 0 || s.Overflow[reliability.ClassDisposable] != 20 {
		t.Errorf("%d held, dropped %v", b.Len(), s.Overflow)
	}
	b.Push(reliability.Start, message(2000, reliability.ClassKey, 2<<20))
	if b.Len() > 10 || b.bytes > params.MaxBytes {
		t.Errorf("%d messages and %d bytes are held", b.Len(), b.bytes)
	}
}
