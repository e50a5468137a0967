package rtmfp_test

import (
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
