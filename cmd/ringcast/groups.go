package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/multicast"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/playout/web"
)

// The network is what the web server asks about groups.
var _ web.Network = (*network)(nil)

// sourceGroup is the source of streams that come from a group.
const sourceGroup = "group"

// groups returns the groups that the node is in.
func (n *network) groups() []*peernode.Group {
	var list []*peernode.Group
	if n.group != nil && n.options.demoPeers == 0 {
		list = append(list, n.group)
	}
	for _, p := range slices.Concat(n.plays, n.seeds) {
		if !slices.Contains(list, p.group) {
			list = append(list, p.group)
		}
	}
	return list
}

func (n *network) find(id string) *peernode.Group {
	for _, g := range n.groups() {
		if g.ID() == id {
			return g
		}
	}
	return nil
}

// Groups implements web.Network.
func (n *network) Groups() []web.GroupStatus {
	var list []web.GroupStatus
	for _, g := range n.groups() {
		ring := g.Ring()
		s := web.GroupStatus{
			ID: g.ID(), Name: g.Spec().Settings().Name, Address: ring.Address.String(), Ready: ring.Ready,
			EstimatedMembers: ring.EstimatedMembers, NeighborCount: len(g.Neighbors()), Heard: ring.Heard,
			CoverageFrom: ring.CoverFrom.String(), CoverageTo: ring.CoverTo.String(), Streams: []string{},
			Introducers: []web.IntroducerStatus{},
		}
		for _, st := range g.Streams() {
			s.Streams = append(s.Streams, st.Name)
		}
		for _, i := range n.face().Introducers() {
			status := web.IntroducerStatus{Addr: i.Addr, Up: i.Up}
			if i.Err != nil && !i.Up {
				status.Error = i.Err.Error()
			}
			s.Introducers = append(s.Introducers, status)
		}
		list = append(list, s)
	}
	return list
}

// Neighbors implements web.Network.
func (n *network) Neighbors(group string) ([]web.NeighborStatus, bool) {
	g := n.find(group)
	if g == nil {
		return nil, false
	}
	now := n.face().Now()
	links := g.Links()
	list := []web.NeighborStatus{}
	for _, l := range g.Neighbors() {
		s := web.NeighborStatus{
			PeerID: l.Peer.String(), Address: l.Addr.String(), Remote: l.Far.String(), Since: now.Sub(l.Since).Seconds(),
			RTT: float64(l.RTT) / float64(time.Millisecond), Side: l.Side, Outbound: l.Outbound, Relayed: l.Relayed, Ready: l.Ready,
			Suspect: l.Suspect, Extensions: l.Caps != 0, Streams: []web.LinkSlices{},
		}
		for _, k := range links {
			if k.Peer == l.Peer {
				s.Streams = append(s.Streams, web.LinkSlices{Stream: k.Name, From: slicesOf(k.From), To: slicesOf(k.To)})
			}
		}
		list = append(list, s)
	}
	return list, true
}

// slicesOf lists the bits of a set of slices.
func slicesOf(set uint8) []int {
	list := []int{}
	for i := range 8 {
		if set&(1<<i) != 0 {
			list = append(list, i)
		}
	}
	return list
}

// face is the node whose groups are shown: in a demo the first viewer's.
func (n *network) face() *peernode.Node {
	if len(n.viewerNodes) > 0 {
		return n.viewerNodes[0]
	}
	return n.node
}

// neighborCount is the number of links in all groups.
func (n *network) neighborCount() (count int) {
	for _, g := range n.groups() {
		count += len(g.Neighbors())
	}
	return count
}

// Subscribe implements web.Network.
func (n *network) Subscribe(f func(web.Event)) (stop func()) {
	var stops []func()
	for _, g := range n.groups() {
		id := g.ID()
		stops = append(stops, g.Listen(func(e peernode.Event) {
			f(describeEvent(&e, id))
		}))
		// It was joined before anybody could listen.
		f(describeEvent(&peernode.Event{Code: overlay.StatusConnectSuccess, Time: time.Now()}, id))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// describeEvent is an event as scripts get it: with the fields that its code
// has.
func describeEvent(e *peernode.Event, group string) web.Event {
	w := web.Event{Code: e.Code, Level: overlay.StatusLevel(e.Code), Time: e.Time, Group: group, Stream: e.Stream, Hops: e.Hops}
	if e.Peer != (overlay.PeerID{}) {
		w.PeerID = e.Peer.String()
	}
	switch e.Code {
	case overlay.StatusNeighborConnect, overlay.StatusNeighborDisconnect:
		w.Neighbor = e.Peer.Address().String()
	case overlay.StatusPosting:
		w.Message, w.MessageID = jsonOf(e.Value), hex.EncodeToString(e.PostID[:])
	case overlay.StatusSendTo:
		w.Message, w.From, w.FromLocal = jsonOf(e.Value), e.From.String(), e.FromLocal
		if e.Question {
			w.Question = strconv.FormatUint(e.Number, 10)
		}
	}
	if e.HasIndex() {
		index := e.Index // the event may hold the object, too
		w.Index, w.Bytes = &index, len(e.Object)
	}
	return w
}

// describe adds what the groups know to the status of streams, and the streams
// that come from groups.
func (n *network) describe(all []web.StreamStatus) []web.StreamStatus {
	find := func(name string) *web.StreamStatus {
		for i := range all {
			if all[i].Name == name {
				return &all[i]
			}
		}
		return nil
	}
	for _, p := range n.plays {
		s := find(p.path)
		if s == nil {
			state, since := p.state(time.Now(), n.config.Ingest.StallAfter)
			all = append(all, web.StreamStatus{
				Name: p.path, State: string(state), Since: since, Source: sourceGroup, Tracks: []web.TrackStatus{}, Viewers: map[string]int{},
			})
			s = &all[len(all)-1]
		}
		n.fill(s, p)
	}
	if n.group != nil && n.options.demoPeers == 0 {
		for i := range all {
			if all[i].Multicast == nil && all[i].State != string(ingest.StateWaiting) {
				info := n.group.Info(groupName(all[i].Name))
				all[i].Group, all[i].Multicast = n.group.ID(), describeInfo(&info)
				all[i].Multicast.Publishing = true
			}
		}
	}
	return all
}

// fill adds what the outputs and the group know of a stream that is played.
func (n *network) fill(s *web.StreamStatus, p *played) {
	info := p.group.Info(groupName(p.path))
	s.Group, s.Multicast = p.group.ID(), describeInfo(&info)
	for _, out := range n.station.Streams() {
		if out.Path != p.path {
			continue
		}
		s.ReceivedBytes, s.ReceivedMessages, s.Gaps = out.Bytes, out.Messages, out.Gaps
		for class := range out.Dropped {
			s.DroppedMessages += out.Dropped[class] + out.Buffer.Late[class] + out.Buffer.Overflow[class]
		}
		s.Tracks = s.Tracks[:0]
		for _, t := range out.Tracks {
			s.Tracks = append(s.Tracks, describeTrack(t))
		}
	}
	if n.viewers != nil {
		s.Viewers = n.viewers(p.path)
	}
}

func describeInfo(i *multicast.Info) *web.MulticastStatus {
	m := &web.MulticastStatus{
		SendDataBytesPerSecond: i.SendDataBytesPerSecond, SendControlBytesPerSecond: i.SendControlBytesPerSecond,
		ReceiveDataBytesPerSecond: i.ReceiveDataBytesPerSecond, ReceiveControlBytesPerSecond: i.ReceiveControlBytesPerSecond,
		BytesPushedToPeers: i.BytesPushedToPeers, FragmentsPushedToPeers: i.FragmentsPushedToPeers,
		BytesRequestedByPeers: i.BytesRequestedByPeers, FragmentsRequestedByPeers: i.FragmentsRequestedByPeers,
		BytesPushedFromPeers: i.BytesPushedFromPeers, FragmentsPushedFromPeers: i.FragmentsPushedFromPeers,
		BytesRequestedFromPeers: i.BytesRequestedFromPeers, FragmentsRequestedFromPeers: i.FragmentsRequestedFromPeers,
		SendControlBytesPerSecondToServer:        i.SendControlBytesPerSecondToServer,
		ReceiveDataBytesPerSecondFromServer:      i.ReceiveDataBytesPerSecondFromServer,
		BytesReceivedFromServer:                  i.BytesReceivedFromServer,
		FragmentsReceivedFromServer:              i.FragmentsReceivedFromServer,
		ReceiveDataBytesPerSecondFromIPMulticast: i.ReceiveDataBytesPerSecondFromIPMulticast,
		BytesReceivedFromIPMulticast:             i.BytesReceivedFromIPMulticast,
		FragmentsReceivedFromIPMulticast:         i.FragmentsReceivedFromIPMulticast,

		Delay: i.Delay.Seconds(), WindowFill: i.WindowFill, Holes: i.Holes, PullsInFlight: i.PullsInFlight, Owners: i.Owners,
		Children: i.Children, Slots: i.Slots, QueueTime: i.QueueTime.Seconds(), Duplicates: i.Duplicates,
		Drops: make(map[string]uint64),
	}
	for class := range i.Drops {
		for why, count := range i.Drops[class] {
			if count > 0 {
				m.Drops[className(class)+"/"+multicast.DropReason(why).String()] = uint64(count)
			}
		}
	}
	return m
}

// ready reports whether every stream that is to be played plays.
func (n *network) ready() (bool, string) {
	for _, p := range n.plays {
		switch state, since := p.state(time.Now(), n.config.Ingest.StallAfter); state {
		case ingest.StateEnded:
			return false, p.path + " has ended"
		case ingest.StateStalled:
			return false, fmt.Sprintf("%s has stalled: no frame for %v", p.path, time.Since(since).Round(time.Second))
		}
	}
	return n.hasFirst()
}

// diagnosis says what may be wrong when a stream does not come.
func (n *network) diagnosis() string {
	for _, i := range n.node.Introducers() {
		var dns *net.DNSError
		switch {
		case errors.As(i.Err, &dns):
			return fmt.Sprintf("the name of the introducer %s cannot be looked up: is the network there?", i.Addr)
		case !i.Up:
			return fmt.Sprintf("the introducer %s does not answer: is it running, and does UDP get through?", i.Addr)
		}
	}
	if len(n.plays) == 0 {
		return ""
	}
	switch p := n.plays[0]; {
	case len(p.group.Neighbors()) == 0:
		return "nobody else is in the group: has the publisher stopped?"
	case n.knows(p):
		return fmt.Sprintf("%s is in the group but has not come through yet", p.path)
	default:
		return fmt.Sprintf("%s is not published in the group at present", p.path)
	}
}

func (n *network) knows(p *played) bool {
	for _, s := range p.group.Streams() {
		if s.Name == groupName(p.path) {
			return true
		}
	}
	return false
}

// waitForIntroducer gives introducers a moment to answer, so that what is
// printed names them.
func (n *network) waitForIntroducer(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, introducerPatience)
	defer cancel()
	_ = n.node.WaitIntroducer(ctx)
}

// introducerPatience is how long the first lines wait for an introducer.
const introducerPatience = 2 * time.Second

// parts are what runs until the very end.
func (n *network) parts() []part {
	parts := []part{{"rtmfp", n.run}}
	for _, v := range n.viewerNodes {
		parts = append(parts, part{"demo node", v.Run})
	}
	for _, g := range n.groups() {
		parts = append(parts, part{"group", n.api(g.ID()).run})
	}
	return parts
}

// parsePeerID reads a peer ID.
func parsePeerID(text string) ([32]byte, error) {
	id, err := overlay.ParsePeerID(text)
	return [32]byte(id), err
}
