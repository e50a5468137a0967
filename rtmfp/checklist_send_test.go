package rtmfp_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// numbers returns the sequence numbers of the user data that was sent, with A
// for abandoned and F for final ones, the forward numbers behind a slash.
func (st *stage) numbers() (all []string) {
	st.t.Helper()
	for _, u := range st.userData() {
		s := fmt.Sprint(u.SequenceNumber)
		if u.Abandoned {
			s += "A"
		}
		if u.Final {
			s += "F"
		}
		all = append(all, fmt.Sprintf("%s/%d", s, u.ForwardSequenceNumber))
	}
	return all
}

func (st *stage) wantNumbers(name string, want ...string) {
	st.t.Helper()
	if got := st.numbers(); !slices.Equal(got, want) {
		st.t.Errorf("%s: sent %v, want %v", name, got, want)
	}
}

// enough is a window that stops nobody.
const enough = 1000

func checkFlowOptions(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	f.send(data(wire.UserData{FlowID: 77, SequenceNumber: 1, Options: first("theirs")}))
	in := st.last(rtmfp.FlowOpened).Recv
	st.clear()
	out := f.openFlow(rtmfp.FlowConfig{Metadata: []byte("mine"), Return: in})
	want := wire.AppendFlowOptions(nil, wire.FlowOptions{Metadata: []byte("mine"), ReturnFlow: 77, HasReturnFlow: true})
	// What the far end would refuse is not tried.
	f.send(data(wire.UserData{FlowID: 78, SequenceNumber: 1, Options: first("over"), Final: true}))
	if _, err := f.session.OpenFlow(st.now, rtmfp.FlowConfig{Metadata: []byte("late"), Return: st.last(rtmfp.FlowOpened).Recv}); err != rtmfp.ErrClosed {
		t.Errorf("answering a flow that has ended returns %v", err)
	}
	st.clear()
	check := func(name string, options bool) {
		t.Helper()
		packets := 0
		for _, p := range st.sent {
			any := false
			for _, c := range p.chunks {
				if c.Type != wire.TypeUserData && c.Type != wire.TypeNextUserData {
					continue
				}
				u, err := wire.ParseUserData(c.Payload)
				if c.Type == wire.TypeNextUserData {
					u, err = wire.ParseNextUserData(c.Payload, &wire.UserData{})
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := u.Options != nil; got != (options && !any) || got && !bytes.Equal(u.Options, want) {
					t.Errorf("%s: packet %d has options %x", name, packets, u.Options)
				}
				any = true
			}
			if any {
				packets++
			}
		}
		if packets < 2 {
			t.Errorf("%s: only %d packets with data", name, packets)
		}
		st.clear()
	}
	st.do(func() {
		for i := range 12 {
			_ = out.Write(st.now, bytes.Repeat([]byte{byte(i)}, 300), nil)
		}
	})
	check("before the first acknowledgement", true)
	st.run(4 * time.Second)
	f.send(ack(99, enough, 1)) // of another flow
	st.run(8 * time.Second)
	check("repeated", true)
	f.send(ack(out.ID(), enough, 1))
	st.run(12 * time.Second)
	check("after the first acknowledgement", false)
}

func checkFragments(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	metadata := make([]byte, 512)
	out := f.openFlow(rtmfp.FlowConfig{Metadata: metadata})
	sizes := []int{0, 1, 5000, 1, 1200, 3000}
	st.do(func() {
		for i, size := range sizes {
			_ = out.Write(st.now, bytes.Repeat([]byte{byte(i)}, size), nil)
		}
	})
	var all []wire.UserData
	for len(st.userData()) > 0 {
		for _, p := range st.sent {
			if p.size+8 > 1200 {
				t.Errorf("a datagram of %d bytes", p.size+8)
			}
		}
		got := st.userData()
		all = append(all, got...)
		st.clear()
		f.send(ack(out.ID(), enough, got[len(got)-1].SequenceNumber))
	}
	message, length := 0, 0
	for i, u := range all {
		if u.SequenceNumber != wire.SequenceNumber(i+1) || u.FlowID != out.ID() || u.Abandoned || u.Final {
			t.Fatalf("fragment %d is %+v", i, u)
		}
		starts := u.Fragmentation == wire.Whole || u.Fragmentation == wire.Begin
		if starts != (length == 0) {
			t.Fatalf("fragment %d of kind %d comes after %d bytes of its message", i, u.Fragmentation, length)
		}
		length += len(u.Data)
		if len(u.Data) > 0 && u.Data[0] != byte(message) {
			t.Fatalf("fragment %d belongs to message %d, want %d", i, u.Data[0], message)
		}
		if u.Fragmentation == wire.Whole || u.Fragmentation == wire.End {
			if length != sizes[message] {
				t.Errorf("message %d ends after %d bytes, want %d", message, length, sizes[message])
			}
			message, length = message+1, 0
		}
	}
	if message != len(sizes) || out.Queued() != 0 {
		t.Errorf("%d of %d messages went out", message, len(sizes))
	}
	if _, err := f.session.OpenFlow(st.now, rtmfp.FlowConfig{Metadata: make([]byte, 513)}); err == nil {
		t.Error("metadata of 513 bytes is taken")
	}
}

func checkNextUserData(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	kinds := func() (all []byte) {
		for _, p := range st.sent {
			for _, c := range p.chunks {
				if c.Type == wire.TypeUserData || c.Type == wire.TypeNextUserData {
					all = append(all, c.Type)
				}
			}
		}
		return all
	}
	st.do(func() {
		for i := range 5 {
			_ = out.Write(st.now, []byte{byte(i)}, nil)
		}
	})
	if got := kinds(); !bytes.Equal(got, []byte{0x10, 0x11, 0x11, 0x11, 0x11}) {
		t.Errorf("five small messages go out as %x", got)
	}
	// What is left after 2 and 4 have arrived is not contiguous.
	f.send(ack(out.ID(), enough, 0, wire.Range{From: 2, To: 2}, wire.Range{From: 4, To: 4}))
	st.clear()
	st.run(4 * time.Second)
	if got := kinds(); !bytes.Equal(got, []byte{0x10, 0x10, 0x10}) {
		t.Errorf("three with gaps go out as %x", got)
	}
	st.wantNumbers("repeated", "1/0", "3/0", "5/0")
	// Two flows never share the chain.
	st.clear()
	other := f.openFlow(rtmfp.FlowConfig{})
	f.send(ack(out.ID(), enough, 5))
	st.do(func() {
		_ = out.Write(st.now, []byte("x"), nil)
		_ = other.Write(st.now, []byte("y"), nil)
	})
	if got := kinds(); !bytes.Equal(got, []byte{0x10, 0x10}) {
		t.Errorf("two flows go out as %x", got)
	}
}

// sendTo makes a flow with the numbers 1 to 6 acknowledged and 7 to n under
// way, each in a packet of its own, with their receipts.
func sendTo(st *stage, f *far, n int) (*rtmfp.SendFlow, []*rtmfp.Receipt) {
	st.t.Helper()
	out := f.openFlow(rtmfp.FlowConfig{})
	receipts := make([]*rtmfp.Receipt, n+1)
	for i := 1; i <= n; i++ {
		receipts[i] = &rtmfp.Receipt{}
		st.write(out, byte(i), 1000, receipts[i])
		if i <= 6 {
			f.send(ack(out.ID(), enough, wire.SequenceNumber(i)))
		}
	}
	st.clear()
	return out, receipts
}

// The published examples of queues and the forward numbers that they give.
func checkForwardNumbers(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	_, _ = sendTo(st, f, 9)
	st.run(4 * time.Second)
	st.wantNumbers("7, 8, 9", "7/6", "8/6") // a timeout leaves room for two

	st = newStage(t, nil)
	f = st.accept(farAddr, "Pa")
	_, r := sendTo(st, f, 9)
	r[7].Abandon()
	st.run(4 * time.Second)
	st.wantNumbers("7 abandoned, 8, 9", "8/7", "9/7")

	st = newStage(t, nil)
	f = st.accept(farAddr, "Pa")
	out, r := sendTo(st, f, 7)
	r[7].Abandon()
	st.write(out, 8, 1000, nil)
	st.wantNumbers("7 abandoned in flight, 8", "8/6")

	st = newStage(t, nil)
	f = st.accept(farAddr, "Pa")
	out, r = sendTo(st, f, 7)
	r[7].Abandon()
	st.run(4 * time.Second)
	st.wantNumbers("7 abandoned and alone", "7A/7")
	st.clear()
	st.write(out, 8, 1000, nil)
	st.wantNumbers("7 sent as abandoned, 8", "8/7")
}

// The update that nothing will come any more is repeated like data.
func checkForwardUpdate(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out, r := sendTo(st, f, 8)
	r[7].Abandon()
	r[8].Abandon()
	st.run(12 * time.Second)
	if got := st.numbers(); len(got) < 2 || got[0] != "8A/8" || got[1] != "8A/8" {
		t.Fatalf("sent %v, want updates to 8", got)
	}
	f.send(ack(out.ID(), enough, 8))
	st.clear()
	st.run(30 * time.Second)
	st.wantNumbers("after its acknowledgement")
	// A later message that has come does not help while the far end still
	// waits for what was given up before it.
	f = st.accept(otherAddr, "Pb")
	out, r = sendTo(st, f, 8)
	f.send(ack(out.ID(), enough, 6, wire.Range{From: 8, To: 8}))
	r[7].Abandon()
	st.clear()
	st.run(4 * time.Second)
	st.wantNumbers("8 has come, 7 never will", "7A/7")
	f.send(ack(out.ID(), enough, 8))
	if !r[8].Delivered() || r[7].Delivered() || !r[7].Abandoned() {
		t.Errorf("8 delivered %v; 7 delivered %v, abandoned %v", r[8].Delivered(), r[7].Delivered(), r[7].Abandoned())
	}
}

func checkAbandon(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	st.do(func() {
		for i := range 6 {
			_ = out.Write(st.now, bytes.Repeat([]byte{byte(i)}, 1000), nil)
		}
	})
	inFlight := len(st.userData())
	if inFlight == 6 {
		t.Fatal("the window lets everything out")
	}
	late := &rtmfp.Receipt{StartBy: st.now.Add(time.Second)}
	long := &rtmfp.Receipt{FinishBy: st.now.Add(time.Second)}
	child := &rtmfp.Receipt{Parent: late}
	grandchild := &rtmfp.Receipt{Parent: child}
	started := &rtmfp.Receipt{StartBy: st.now.Add(time.Hour)}
	st.do(func() {
		for i, r := range []*rtmfp.Receipt{late, long, child, grandchild, started} {
			_ = out.Write(st.now, bytes.Repeat([]byte{byte(10 + i)}, 3000), r)
		}
	})
	st.run(2 * time.Second)
	st.clear()
	f.send(ack(out.ID(), enough, wire.SequenceNumber(inFlight)))
	for top := wire.SequenceNumber(6); top < 20; top++ {
		f.send(ack(out.ID(), enough, top))
	}
	var got []byte
	for _, u := range st.userData() {
		if u.Abandoned {
			t.Errorf("number %d of an abandoned message is sent by itself", u.SequenceNumber)
		}
		// Four abandoned messages took the numbers 7 to 10.
		if len(u.Data) > 0 && u.Data[0] >= 10 {
			got = append(got, u.Data[0])
			if u.SequenceNumber != wire.SequenceNumber(10+len(got)) {
				t.Errorf("message 14 goes out as number %d", u.SequenceNumber)
			}
		}
	}
	if !bytes.Equal(got, []byte{14, 14, 14}) {
		t.Errorf("fragments of messages %v went out, want those of 14", got)
	}
	for i, r := range []*rtmfp.Receipt{late, long, child, grandchild} {
		if !r.Abandoned() || r.Delivered() {
			t.Errorf("receipt %d: abandoned %v, delivered %v", i, r.Abandoned(), r.Delivered())
		}
	}
	if started.Abandoned() || !started.Delivered() || st.Stats().Abandoned != 4 {
		t.Errorf("the last one: abandoned %v, delivered %v; %d abandoned in all", started.Abandoned(), started.Delivered(), st.Stats().Abandoned)
	}
	// Irrevocable, even if the far end says that it came after all.
	out, r := sendTo(st, f, 7)
	r[7].Abandon()
	st.run(4 * time.Second)
	f.send(ack(out.ID(), enough, 7))
	if r[7].Delivered() || !r[7].Abandoned() {
		t.Error("an abandoned message is delivered after all")
	}
}

// A fragment is lost when three packets have told of later ones, in the order
// of sending, whatever their flows.
func checkNaks(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	a, b := f.openFlow(rtmfp.FlowConfig{Metadata: []byte("a")}), f.openFlow(rtmfp.FlowConfig{Metadata: []byte("b")})
	st.write(a, 1, 500, nil)
	st.write(b, 1, 500, nil)
	st.write(b, 2, 500, nil)
	st.write(b, 3, 500, nil)
	st.write(b, 4, 500, nil)
	st.clear()
	again := func() (n int) {
		for _, u := range st.userData() {
			if u.FlowID == a.ID() {
				n++
			}
		}
		return n
	}
	// Two acknowledgements in one packet are one sign.
	f.send(ack(b.ID(), enough, 1), ack(b.ID(), enough, 2))
	f.send(ack(b.ID(), enough, 2)) // nothing new, but later data was acknowledged already
	if again() != 0 {
		t.Fatal("sent again after two signs")
	}
	f.send(ack(b.ID(), enough, 3))
	if again() != 1 {
		t.Fatalf("sent again %d times after three signs, want once", again())
	}
	// The count begins anew with the repetition: older packets do not count.
	for range 5 {
		f.send(ack(b.ID(), enough, 4))
	}
	if again() != 1 {
		t.Error("acknowledgements of what was sent before the repetition count against it")
	}
	for i := range 3 {
		st.write(b, byte(5+i), 500, nil)
		f.send(ack(b.ID(), enough, wire.SequenceNumber(5+i)))
	}
	if again() != 2 {
		t.Errorf("sent %d times after three later ones, want twice", again())
	}
	// Nothing else heard, the timeout does it, for all that is in flight.
	st.write(b, 9, 500, nil)
	st.clear()
	st.run(4 * time.Second)
	if got := st.userData(); len(got) < 2 {
		t.Errorf("after a timeout %d fragments go out", len(got))
	}
}
