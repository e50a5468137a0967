package rtmfp

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Instant is a time of the protocol clock.
type Instant = reliability.Time

// EventKind says what happened.
type EventKind uint8

// The events, with the fields of Event that they set.
const (
	// SessionOpened: Session is open, opened by either end.
	SessionOpened EventKind = iota + 1
	// SessionFailed: Session did not open; Err says why.
	SessionFailed
	// SessionClosed: Session has ended, with all its flows; Err is nil if
	// this end closed it.
	SessionClosed
	// FlowOpened: the far end opened Recv. The application looks at its
	// metadata and may reject it.
	FlowOpened
	// MessageReceived: Data came complete on Recv. It belongs to the
	// receiver of the event, unless the flow is borrowed.
	MessageReceived
	// FlowEnded: nothing more will come on Recv.
	FlowEnded
	// FlowRejected: the far end refused Send with Code.
	FlowRejected
	// FlowCompleted: everything written to Send before its Close has been
	// acknowledged or abandoned.
	FlowCompleted
	// FlowWritable: the queue of Send, which had been full, has drained to a
	// half.
	FlowWritable
	// HelloForOther: Hello asks for an endpoint that is not this one. An
	// introducer that knows it calls Introduce or Redirect.
	HelloForOther
	// AddressChanged: the far end of Session has moved.
	AddressChanged
	// PingAnswered: the far end of Session has answered the Ping with the
	// number Code after Elapsed.
	PingAnswered
	// HelloForwarded: the far end of Session has handed on Hello, which is
	// for this endpoint, and the session's ForwardPolicy is ForwardAsk. The
	// application calls AnswerHello or Redirect, or lets it be.
	HelloForwarded
)

// Event is something that happened in an endpoint.
type Event struct {
	Kind    EventKind
	Session *Session
	Send    *SendFlow
	Recv    *RecvFlow
	Data    []byte
	// Skipped tells of MessageReceived that messages sent before it were
	// abandoned, or, of a flow in network order, that some are still missing.
	Skipped bool
	Code    uint64
	Elapsed time.Duration
	Err     error
	Hello   Hello
}

// Hello is somebody's wish to reach an endpoint.
type Hello struct {
	EPD  []byte
	Tag  []byte
	From wire.Address
	// Size is the length of the datagram that it came in, in bytes; 0 if
	// another endpoint has handed it on. Larger answers are limited.
	Size int
}

// PollEvent returns the next event.
func (e *Endpoint) PollEvent() (Event, bool) {
	if e.eventHead == len(e.events) {
		e.events, e.eventHead = e.events[:0], 0
		e.lent.reset()
		return Event{}, false
	}
	event := e.events[e.eventHead]
	e.events[e.eventHead] = Event{}
	e.eventHead++
	return event, true
}

func (e *Endpoint) emit(event Event) { e.events = append(e.events, event) }
