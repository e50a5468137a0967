package netconnection

import (
	"cmp"
	"slices"

	"github.com/ringcast/ringcast/rtmfp"
)

func sortSubscriptions(all []*Subscription) {
	slices.SortFunc(all, func(a, b *Subscription) int { return cmp.Compare(a.out.ID(), b.out.ID()) })
}

func (d *Direct) sortedOffers() []*Offer {
	all := make([]*Offer, 0, len(d.offers))
	for _, o := range d.offers {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Offer) int { return cmp.Compare(a.name, b.name) })
	return all
}

// handle takes a message of a stream that is played.
func (s *Subscription) handle(now rtmfp.Instant, f *directFlow, data []byte, ordered bool) {
	m, err := ParseMessage(data)
	if err != nil || s.ended {
		return
	}
	switch m.Type {
	case TypeCommand, TypeCommandExtended:
		if c, err := ParseCommand(m); err == nil && c.Name == "onStatus" {
			value := c.arg(1)
			s.d.emit(DirectEvent{Kind: DirectStatus, Subscription: s, Session: s.session, Code: value.Text("code")})
		}
	case TypeUserControl:
		if event, v, ok := parseUserControl(m.Payload); ok && event == EventFlowSync {
			s.sync.sync(now, &f.waiter, v[0], v[1], ordered)
		}
	case TypeAudio, TypeVideo, TypeData, TypeDataExtended:
		s.d.emit(DirectEvent{Kind: DirectMessage, Subscription: s, Session: s.session, Message: m})
	}
}

// handleMessage takes a subscriber's command.
func (sub *subscriber) handleMessage(now rtmfp.Instant, data []byte) {
	m, err := ParseMessage(data)
	if err != nil || m.Type != TypeCommand && m.Type != TypeCommandExtended || len(data) > maxCommandSize {
		return
	}
	c, err := ParseCommand(m)
	if err != nil {
		return
	}
	switch {
	case c.Name == "play" && sub.offer == nil:
		sub.play(now, c.text(1))
	case c.Name == "closeStream":
		sub.leave(now)
	}
}

// play begins to send the stream, or refuses.
func (sub *subscriber) play(now rtmfp.Instant, name string) {
	o := sub.d.offers[name]
	if o == nil || len(o.subscribers) >= maxSubscribers {
		sub.flow.Reject(now, 0)
		return
	}
	sub.offer = o
	o.subscribers = append(o.subscribers, sub)
	if sub.d.Keepalive != 0 {
		sub.flow.Session().SetKeepalive(now, sub.d.Keepalive)
	}
	// It is like a player of a server, whose flows answer the one that asked.
	ns := &netStream{client: &client{session: sub.flow.Session(), in: sub.flow}, id: sub.id, waitKey: true}
	sub.stream = ns
	ns.status, ns.video, ns.audio = ns.flow(now, 5), ns.flow(now, 4), ns.flow(now, 5)
	write(now, ns.status, userControl(EventStreamBegin, sub.id), nil)
	ns.onStatus(now, "status", "NetStream.Play.Reset", "Playing and resetting "+name+".")
	ns.onStatus(now, "status", "NetStream.Play.Start", "Started playing "+name+".")
	ns.catchUp(now, o.metadata, o.configs)
	sub.d.emit(DirectEvent{Kind: SubscriberJoined, Offer: o, Session: sub.flow.Session()})
}

// leave ends what a subscriber gets.
func (sub *subscriber) leave(now rtmfp.Instant) {
	o := sub.offer
	if o == nil {
		return
	}
	sub.offer = nil
	o.subscribers = slices.DeleteFunc(o.subscribers, func(x *subscriber) bool { return x == sub })
	for _, f := range []*rtmfp.SendFlow{sub.stream.status, sub.stream.audio, sub.stream.video} {
		if f != nil {
			f.Close(now)
		}
	}
	sub.d.emit(DirectEvent{Kind: SubscriberLeft, Offer: o, Session: sub.flow.Session()})
}

// Name returns the stream's name.
func (o *Offer) Name() string { return o.name }

// Subscribers returns how many play it.
func (o *Offer) Subscribers() int { return len(o.subscribers) }

// Write sends a message to all who play the stream, for as long as it is worth
// it. m is not changed afterwards.
func (o *Offer) Write(now rtmfp.Instant, m Message) {
	data := AppendMessage(make([]byte, 0, messageHeader+len(m.Payload)), m)
	config := keep(m, data, &o.metadata, &o.configs)
	for _, sub := range o.subscribers {
		sub.stream.send(now, m, data, config, now.Add(DefaultServerParams().Lifetime))
	}
}

// Close ends the stream and all that is played of it.
func (o *Offer) Close(now rtmfp.Instant) {
	delete(o.d.offers, o.name)
	for len(o.subscribers) > 0 {
		sub := o.subscribers[len(o.subscribers)-1]
		write(now, sub.stream.status, userControl(EventStreamEOF, sub.id), nil)
		sub.stream.onStatus(now, "status", "NetStream.Play.UnpublishNotify", o.name+" is now unpublished.")
		sub.leave(now)
		sub.flow.Reject(now, 0)
	}
}
