package netconnection_test

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
	nc "github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// FuzzServer lets a client that has connected say anything, on flows of any
// metadata, and another one that plays watch: nothing panics, and the server
// serves the next one who comes.
func FuzzServer(f *testing.F) {
	seed := func(parts ...[]byte) {
		var b []byte
		for i, p := range parts {
			b = append(append(b, byte(i%3), byte(len(p))), p...)
		}
		f.Add(b)
	}
	seed(command("createStream", 2, amf0.Null()), command("publish", 0, amf0.Null(), amf0.String("cam")), []byte{9, 0, 0, 0, 0, 0x17, 1, 0, 0, 0})
	seed(command("createStream", 2, amf0.Null()), command("play", 0, amf0.Null(), amf0.String("cam")), command("deleteStream", 0, amf0.Null(), amf0.Number(1)))
	seed(userControl(34, 0, 0, 0, 8, 0, 0, 0, 2), command("setPeerInfo", 0, amf0.Null(), amf0.String("1.2.3.4:5")), command("closeStream", 0, amf0.Null()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 2048 {
			return
		}
		n := vnet.New(1)
		server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
		r := newRaw(t, n, "192.0.2.1:1000", server)
		r.connect(n)
		flows := []*rtmfp.SendFlow{r.control, nil, nil}
		for len(b) >= 2 {
			i, size := int(b[0])%len(flows), min(int(b[1]), len(b)-2)
			message := b[2 : 2+size]
			b = b[2+size:]
			if flows[i] == nil || !flows[i].IsOpen() {
				metadata := nc.AppendMetadata(nil, nc.Metadata{StreamID: uint32(i % 2)})
				if size%7 == 3 {
					metadata = message
				}
				f, err := r.session.OpenFlow(n.Now(), rtmfp.FlowConfig{Metadata: metadata})
				if err != nil {
					break
				}
				flows[i] = f
			}
			r.do(func(now rtmfp.Instant) { _ = flows[i].Write(now, message, nil) })
			n.Run(5 * time.Millisecond)
			if r.session.State() != rtmfp.StateOpen {
				break
			}
		}
		next := newRaw(t, n, "192.0.2.2:1000", server)
		next.connect(n)
		if got := next.received(); len(got) != 1 || got[0] != "_result" {
			t.Fatalf("the next client gets %v", got)
		}
	})
}
