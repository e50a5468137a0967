package rtmfp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// What is lost just after the handshake is sent again soon: the timeout was set
// when nothing was known of the round trip, and the first echo brings it forward.
func TestFirstEchoBringsTheTimeoutForward(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	st.write(f.openFlow(rtmfp.FlowConfig{}), 'a', 100, nil)
	sent := st.sent[len(st.sent)-1]
	if !sent.header.HasTimestamp {
		t.Fatal("the data went out without a timestamp")
	}
	st.run(80 * time.Millisecond)
	st.clear()
	f.sendWith(wire.Header{Mode: f.mode, HasEcho: true, Echo: sent.header.Timestamp}, wire.AppendChunk(nil, wire.TypePing, nil))
	st.run(600 * time.Millisecond)
	if len(st.chunks(wire.TypeUserData)) == 0 {
		t.Error("nothing was sent again within 600 ms after the first echo")
	}
}

// The handshake has shown the initiator how long a round trip takes: what is
// lost just after it is sent again soon, again and again.
func TestHandshakeMeasuresTheRoundTrip(t *testing.T) {
	st := newStage(t, nil)
	f := st.newFar(farAddr, "Pa")
	f.mode = wire.ModeResponder
	id, err := st.profile.Identify(f.cert)
	if err != nil {
		t.Fatal(err)
	}
	st.do(func() { f.session, err = st.Open(st.now, id.EPD, []netip.AddrPort{farAddr}) })
	if err != nil {
		t.Fatal(err)
	}
	f.answerHello([]byte("cookie"))
	st.run(80 * time.Millisecond)
	f.answerKeying(2)
	st.write(f.openFlow(rtmfp.FlowConfig{}), 'a', 100, nil)
	st.clear()
	st.run(1500 * time.Millisecond)
	if n := len(st.chunks(wire.TypeUserData)); n < 2 {
		t.Errorf("sent again %d times within 1.5 s at a round trip of 80 ms, want at least 2", n)
	}
}
