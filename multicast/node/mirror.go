package node

import (
	"net/netip"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// mirrorMetadata begins a flow on which a node tells its far end from which
// address it sees it: an empty message is the question, the address as text
// the answer.
const mirrorMetadata = "ringcast:observed"

// mirror asks and answers where nodes are seen from.
type mirror struct {
	// seen takes an answer.
	seen func(now reliability.Time, s *rtmfp.Session, addr netip.AddrPort)
}

// What a flow is to the mirror.
type (
	mirrorQuestion struct{ back *rtmfp.SendFlow }
	mirrorAsked    struct{}
	mirrorAnswer   struct{ asked *rtmfp.SendFlow }
)

// ask asks the far end of a session.
func (m *mirror) ask(now reliability.Time, s *rtmfp.Session) {
	f, err := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(mirrorMetadata), Priority: 5})
	if err != nil {
		return
	}
	// It stays open until the answer is there: a flow that has ended can't be
	// answered.
	f.User = mirrorAsked{}
	_ = f.Write(now, nil, nil)
}

// HandleEvent implements multicast.Service.
func (m *mirror) HandleEvent(now reliability.Time, e rtmfp.Event) bool {
	switch e.Kind {
	case rtmfp.FlowOpened:
		return m.opened(now, e.Recv)
	case rtmfp.MessageReceived:
		return m.message(now, e)
	case rtmfp.FlowEnded:
		switch e.Recv.User.(type) {
		case mirrorQuestion, mirrorAnswer:
			return true
		}
	case rtmfp.FlowRejected:
		_, ours := e.Send.User.(mirrorAsked)
		return ours
	}
	return false
}

func (m *mirror) opened(now reliability.Time, f *rtmfp.RecvFlow) bool {
	if string(f.Metadata()) != mirrorMetadata {
		return false
	}
	if back := f.Return(); back != nil {
		if _, ours := back.User.(mirrorAsked); ours {
			f.User = mirrorAnswer{back}
			return true
		}
	}
	back, err := f.Session().OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(mirrorMetadata), Return: f, Priority: 5})
	if err != nil {
		f.Reject(now, 0)
		return true
	}
	f.User = mirrorQuestion{back}
	return true
}

func (m *mirror) message(now reliability.Time, e rtmfp.Event) bool {
	switch u := e.Recv.User.(type) {
	case mirrorQuestion:
		_ = u.back.Write(now, []byte(e.Recv.Session().FarAddr().String()), nil)
		u.back.Close(now)
		return true
	case mirrorAnswer:
		u.asked.Close(now)
		const longest = 64
		if len(e.Data) <= longest {
			if addr, err := netip.ParseAddrPort(string(e.Data)); err == nil {
				m.seen(now, e.Recv.Session(), addr)
			}
		}
		return true
	}
	return false
}
