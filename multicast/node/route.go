package node

import (
	"context"
	"errors"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// ErrNoAnswer means that a question was not answered, though it was repeated.
var ErrNoAnswer = errors.New("node: nobody has answered")

// SendToNearest sends a value one hop, to the one of this node and its neighbors
// that is nearest to an address. Whoever gets it is told by an event with the
// code overlay.StatusSendTo and may send it on: until Event.FromLocal is set,
// which means that nobody nearer is known.
func (g *Group) SendToNearest(addr overlay.Address, v Value) overlay.RouteResult {
	return g.send(v, func(r *overlay.Router, b []byte) overlay.RouteResult { return r.SendToNearest(addr, b) })
}

// SendToNeighbor sends a value to the next neighbor up or down the ring.
func (g *Group) SendToNeighbor(way overlay.Direction, v Value) overlay.RouteResult {
	return g.send(v, func(r *overlay.Router, b []byte) overlay.RouteResult { return r.SendToNeighbor(way, b) })
}

// SendToAllNeighbors sends a value to every neighbor.
func (g *Group) SendToAllNeighbors(v Value) overlay.RouteResult {
	return g.send(v, func(r *overlay.Router, b []byte) overlay.RouteResult { return r.SendToAllNeighbors(b) })
}

func (g *Group) send(v Value, send func(r *overlay.Router, b []byte) overlay.RouteResult) overlay.RouteResult {
	b := appendValue(v)
	result := overlay.RouteError
	_ = g.do(func(reliability.Time) {
		if r := g.core.Router(); r != nil {
			result = send(r, b)
		}
	})
	return result
}

// Route sends a value all the way to the member nearest to an address, over
// nodes of our kind. It is told by an event with overlay.StatusSendTo,
// FromLocal set and the sender in Origin.
func (g *Group) Route(addr overlay.Address, v Value) overlay.RouteResult {
	b := appendValue(v)
	result := overlay.RouteError
	_ = g.do(func(now reliability.Time) {
		if r := g.core.Router(); r != nil {
			_, result = r.Route(now, addr, b)
		}
	})
	return result
}

// Answer is the answer to a question.
type Answer struct {
	Value Value
	// From is who has answered. Nothing proves it.
	From overlay.PeerID
	// Hops is over how many links the answer has come.
	Hops int
}

// answerOrError is what Ask waits for.
type answerOrError struct {
	answer Answer
	err    error
}

// Ask sends a value to the member nearest to an address and waits for what it
// answers. The question is repeated every three seconds; ErrNoAnswer is
// returned after the fourth time, and overlay.ErrNotPermitted if the group has
// no routing.
func (g *Group) Ask(ctx context.Context, addr overlay.Address, v Value) (Answer, error) {
	if err := g.WaitNeighbor(ctx); err != nil {
		return Answer{}, err
	}
	b := appendValue(v)
	answered := make(chan answerOrError, 1)
	var number uint64
	result := overlay.RouteError
	err := g.do(func(now reliability.Time) {
		if r := g.core.Router(); r != nil {
			if number, result = r.Ask(now, addr, b); result == overlay.RouteSent {
				g.asked[number] = answered
			}
		}
	})
	switch {
	case err != nil:
		return Answer{}, err
	case result == overlay.RouteError:
		return Answer{}, overlay.ErrNotPermitted
	case result != overlay.RouteSent:
		return Answer{}, ErrNoAnswer
	}
	defer func() { _ = g.do(func(reliability.Time) { delete(g.asked, number) }) }()
	select {
	case a := <-answered:
		return a.answer, a.err
	case <-g.gone:
		return Answer{}, ErrLeft
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// Answer answers a question that an event with Event.Question has told of: to
// is its Peer, number its Number. Only the first answer to a question counts.
func (g *Group) Answer(to overlay.PeerID, number uint64, v Value) error {
	b := appendValue(v)
	err := overlay.ErrNotPermitted
	stopped := g.do(func(now reliability.Time) {
		if r := g.core.Router(); r != nil {
			r.Answer(now, to, number, b)
			err = nil
		}
	})
	if stopped != nil {
		return stopped
	}
	return err
}

// Answers has f answer the questions of others until ctx is done or the group
// is left. f is called by one goroutine at a time, Answers's own; if it returns
// false, the question stays without an answer. Several may run: the first that
// has an answer gives it.
func (g *Group) Answers(ctx context.Context, f func(question Value, from overlay.PeerID) (Value, bool)) error {
	return work(ctx, g, &g.answerers, task[overlay.RouterEvent]{do: func(e overlay.RouterEvent) bool {
		v, err := parseValue(e.Data)
		if err != nil {
			return false
		}
		answer, ok := f(v, e.Origin)
		if !ok {
			return false
		}
		b := appendValue(answer)
		_ = g.do(func(now reliability.Time) { g.core.Router().Answer(now, e.Origin, e.Number, b) })
		return true
	}})
}

// handleRoute takes what came by routing.
func (g *Group) handleRoute(e *overlay.RouterEvent) {
	switch e.Kind {
	case overlay.RouterAnswer, overlay.RouterFailed:
		g.handleAnswer(e)
		return
	case overlay.RouterQuestion:
		g.answerers.give(*e)
	}
	v, err := parseValue(e.Data)
	if err != nil {
		g.malformed++
		return
	}
	// What was routed all the way is for this node, whoever sent it.
	g.tell(Event{
		Code: overlay.StatusSendTo, Value: v, From: e.From, FromLocal: e.FromLocal || e.Kind != overlay.RouterMessage, Peer: e.Origin,
		Question: e.Kind == overlay.RouterQuestion, Number: e.Number, Hops: e.Hops,
	})
}

func (g *Group) handleAnswer(e *overlay.RouterEvent) {
	answered := g.asked[e.Number]
	if answered == nil {
		return
	}
	delete(g.asked, e.Number)
	var a answerOrError
	if e.Kind == overlay.RouterFailed {
		a.err = ErrNoAnswer
	} else {
		a.answer = Answer{From: e.Origin, Hops: e.Hops}
		a.answer.Value, a.err = parseValue(e.Data)
	}
	answered <- a
}
