package rtmfp_test

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// worn makes a node's keys look as if packets had been sealed with each of them
// already.
type worn struct {
	*profile.Node
	packets uint64
}

type wornKey struct {
	rtmfp.UpdatingKey
	packets uint64
}

func (k wornKey) Sealed() uint64 { return k.UpdatingKey.Sealed() + k.packets }

type wornInitiator struct {
	rtmfp.InitiatorKeying
	packets uint64
}

func (k wornInitiator) Finish(component, signed, signature []byte) func() (rtmfp.Keys, error) {
	finish := k.InitiatorKeying.Finish(component, signed, signature)
	return func() (rtmfp.Keys, error) {
		keys, err := finish()
		if err == nil {
			keys.Key = wornKey{keys.Key.(rtmfp.UpdatingKey), k.packets}
		}
		return keys, err
	}
}

func (p *worn) Initiate(far rtmfp.Identity, entropy io.Reader) (func() (rtmfp.InitiatorKeying, error), error) {
	initiate, err := p.Node.Initiate(far, entropy)
	return func() (rtmfp.InitiatorKeying, error) {
		k, err := initiate()
		return wornInitiator{k, p.packets}, err
	}, err
}

// wornPair opens a session from a worn node to another, and a flow on it.
func wornPair(t *testing.T, packets uint64) (a, b *node, s *rtmfp.Session, write func()) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 20 * time.Millisecond, Loss: 0.1, Reorder: 0.3, ReorderDelay: 30 * time.Millisecond}
	random := entropy(3)
	a = addNode(t, n, nil, "192.0.2.1:1000", &worn{newModernProfile(t, random, profile.NodeOptions{}), packets}, rtmfp.DefaultParams(), link)
	b = newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{}, link)
	a.do(func(now rtmfp.Instant) {
		s, _ = a.Open(now, profile.PeerEPD(b.Self().Fingerprint), []netip.AddrPort{b.addr})
	})
	n.Run(20 * time.Second)
	var flow *rtmfp.SendFlow
	return a, b, s, func() {
		a.do(func(now rtmfp.Instant) {
			if flow == nil {
				flow, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("x")})
			}
			if flow != nil {
				_ = flow.Write(now, make([]byte, 3000), nil)
			}
		})
		n.Run(500 * time.Millisecond)
	}
}

// A key that much was sealed with is replaced at once, and again and again if
// need be, and nothing is lost.
func TestWornKeysAreReplaced(t *testing.T) {
	a, b, s, write := wornPair(t, 1<<24)
	for range 100 {
		write()
	}
	for range 20 {
		a.net.Run(time.Second)
	}
	if got := b.count(rtmfp.MessageReceived); got != 100 || s.State() != rtmfp.StateOpen {
		t.Errorf("%d of 100 messages came, the session is %v", got, s.State())
	}
	if got := a.Stats().KeysReplaced; got < 15 {
		t.Errorf("the key was replaced %d times", got)
	}
}

// A key that bears no more ends the session.
func TestSpentKeysEndTheSession(t *testing.T) {
	a, _, s, write := wornPair(t, 1<<28)
	write()
	closed := a.last(rtmfp.SessionClosed)
	if s.State() != rtmfp.StateClosed || !errors.Is(closed.Err, rtmfp.ErrKeysSpent) {
		t.Errorf("the session is %v, closed with %v", s.State(), closed.Err)
	}
	if a.Sessions() != 0 {
		t.Errorf("%d sessions are left", a.Sessions())
	}
}

// An answer to a question about another key replaces nothing.
func TestStrayRekeyReply(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	st.inject(farAddr, f.peer, append([]byte{byte(wire.ModeInitiator)}, wire.AppendChunk(nil, wire.TypePingReply, []byte("K\x00\x00\x00\x00\x00\x00\x00\x00"))...))
	if f.session.State() != rtmfp.StateOpen || st.Stats().KeysReplaced != 0 {
		t.Errorf("the session is %v", f.session.State())
	}
}
