package main

import (
	"github.com/ringcast/ringcast/multicast"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/reliability"
)

func className(class int) string { return reliability.Class(class).String() }

// ofStream makes a row with one value for each stream in a group.
func ofStream(name, kind, help string, get func(*multicast.Info) float64) metric {
	return metric{name, kind, help, []string{"group", "stream"}, func(s *snapshot, add addSample) {
		for i := range s.infos {
			add(get(&s.infos[i].Info), s.infos[i].group, s.infos[i].stream)
		}
	}}
}

// streamSource is where fragments of a stream come from or go to.
type streamSource struct {
	name string
	get  func(*multicast.Info) uint64
}

// ofSources makes a row with a value for each stream and source.
func ofSources(name, help, label string, sources ...streamSource) metric {
	return metric{name, "counter", help, []string{"group", "stream", label}, func(s *snapshot, add addSample) {
		for i := range s.infos {
			for _, source := range sources {
				add(float64(source.get(&s.infos[i].Info)), s.infos[i].group, s.infos[i].stream, source.name)
			}
		}
	}}
}

// multicastMetrics are the counters of NetStreamMulticastInfo, and more, of
// each stream that is published or played in a group.
func multicastMetrics() []metric {
	return []metric{
		ofSources(
			"ringcast_multicast_received_bytes_total", "Bytes of new fragments: pushed by peers, pulled from them, by native multicast, or from a server.", "source",
			streamSource{"push", func(i *multicast.Info) uint64 { return i.BytesPushedFromPeers }},
			streamSource{"pull", func(i *multicast.Info) uint64 { return i.BytesRequestedFromPeers }},
			streamSource{"native", func(i *multicast.Info) uint64 { return i.BytesReceivedFromIPMulticast }},
			streamSource{"server", func(i *multicast.Info) uint64 { return i.BytesReceivedFromServer }},
		),
		ofSources(
			"ringcast_multicast_received_fragments_total", "New fragments, by the same sources.", "source",
			streamSource{"push", func(i *multicast.Info) uint64 { return i.FragmentsPushedFromPeers }},
			streamSource{"pull", func(i *multicast.Info) uint64 { return i.FragmentsRequestedFromPeers }},
			streamSource{"native", func(i *multicast.Info) uint64 { return i.FragmentsReceivedFromIPMulticast }},
			streamSource{"server", func(i *multicast.Info) uint64 { return i.FragmentsReceivedFromServer }},
		),
		ofSources(
			"ringcast_multicast_sent_bytes_total", "Bytes of fragments sent to peers: pushed, or because they asked.", "by",
			streamSource{"push", func(i *multicast.Info) uint64 { return i.BytesPushedToPeers }},
			streamSource{"pull", func(i *multicast.Info) uint64 { return i.BytesRequestedByPeers }},
		),
		ofSources(
			"ringcast_multicast_sent_fragments_total", "Fragments sent to peers.", "by",
			streamSource{"push", func(i *multicast.Info) uint64 { return i.FragmentsPushedToPeers }},
			streamSource{"pull", func(i *multicast.Info) uint64 { return i.FragmentsRequestedByPeers }},
		),
		ofSources(
			"ringcast_multicast_control_bytes_total", "Bytes of messages by which members arrange who sends what.", "direction",
			streamSource{"sent", func(i *multicast.Info) uint64 { return i.BytesSentControl }},
			streamSource{"received", func(i *multicast.Info) uint64 { return i.BytesReceivedControl }},
		),
		{"ringcast_multicast_dropped_fragments_total", "counter", "Fragments not sent, not sought or given up, by class and reason.", []string{"group", "stream", "class", "reason"}, collectDrops},
		ofStream("ringcast_multicast_duplicate_fragments_total", "counter", "Fragments that had come before.", func(i *multicast.Info) float64 { return float64(i.Duplicates) }),
		ofStream("ringcast_multicast_duplicate_bytes_total", "counter", "Their bytes.", func(i *multicast.Info) float64 { return float64(i.DuplicateBytes) }),
		ofStream("ringcast_multicast_out_of_window_fragments_total", "counter", "Fragments that were too old or too far ahead.", func(i *multicast.Info) float64 { return float64(i.OutOfWindow) }),
		ofStream("ringcast_multicast_malformed_messages_total", "counter", "Messages of peers about the stream that cannot be read.", func(i *multicast.Info) float64 { return float64(i.Malformed) }),
		ofStream("ringcast_multicast_delivered_messages_total", "counter", "Messages put together and handed on.", func(i *multicast.Info) float64 { return float64(i.Messages) }),
		ofStream("ringcast_multicast_delivered_bytes_total", "counter", "Their bytes.", func(i *multicast.Info) float64 { return float64(i.MessageBytes) }),
		ofStream("ringcast_multicast_left_out_messages_total", "counter", "Messages that the publisher has not sent because the group could not carry them.", func(i *multicast.Info) float64 { return float64(i.LeftOut) }),
		ofStream("ringcast_multicast_left_out_bytes_total", "counter", "Their bytes.", func(i *multicast.Info) float64 { return float64(i.LeftOutBytes) }),
		ofStream("ringcast_multicast_parent_changes_total", "counter", "Times that a slice got another parent.", func(i *multicast.Info) float64 { return float64(i.ParentChanges) }),
		ofStream("ringcast_multicast_parents_lost_total", "counter", "Parents of a slice that died or went away.", func(i *multicast.Info) float64 { return float64(i.ParentsLost) }),
		ofStream("ringcast_multicast_refusals_total", "counter", "Requests to be a parent that were refused.", func(i *multicast.Info) float64 { return float64(i.Refusals) }),
	}
}

func collectDrops(s *snapshot, add addSample) {
	for i := range s.infos {
		for class := range s.infos[i].Drops {
			for why, count := range s.infos[i].Drops[class] {
				add(float64(count), s.infos[i].group, s.infos[i].stream, className(class), multicast.DropReason(why).String())
			}
		}
	}
}

// multicastGauges say how a stream stands at the moment.
func multicastGauges() []metric {
	return []metric{
		ofStream("ringcast_multicast_delay_seconds", "gauge", "How far the node is behind the publisher; the slowest slice counts.", func(i *multicast.Info) float64 { return i.Delay.Seconds() }),
		ofStream("ringcast_multicast_window_fill_ratio", "gauge", "Share of the window's fragments that are here.", func(i *multicast.Info) float64 { return i.WindowFill }),
		ofStream("ringcast_multicast_lack_ratio", "gauge", "Share of what the members around need that nobody gives them.", func(i *multicast.Info) float64 { return i.Lack }),
		ofStream("ringcast_multicast_holes", "gauge", "Fragments that are missing and still sought.", func(i *multicast.Info) float64 { return float64(i.Holes) }),
		ofStream("ringcast_multicast_pulls_in_flight", "gauge", "Those of them that have been asked for.", func(i *multicast.Info) float64 { return float64(i.PullsInFlight) }),
		ofStream("ringcast_multicast_parents", "gauge", "For how many of the eight slices a neighbor pushes to this node.", func(i *multicast.Info) float64 { return float64(i.Owners) }),
		ofStream("ringcast_multicast_children", "gauge", "How many pairs of neighbor and slice this node pushes.", func(i *multicast.Info) float64 { return float64(i.Children) }),
		ofStream("ringcast_multicast_slots", "gauge", "How many of them its upload allows.", func(i *multicast.Info) float64 { return float64(i.Slots) }),
	}
}

// ofNetwork makes a row with one value for the node, if it is in a network.
func ofNetwork(name, kind, help string, get func(*peernode.Stats) float64) metric {
	return metric{name, kind, help, nil, func(s *snapshot, add addSample) {
		if s.network != nil {
			add(get(s.network))
		}
	}}
}

func networkCounter(name, help string, get func(*peernode.Stats) uint64) metric {
	return ofNetwork(name, "counter", help, func(s *peernode.Stats) float64 { return float64(get(s)) })
}

// transportMetrics are those of RTMFP and its sockets.
func transportMetrics() []metric {
	return []metric{
		ofNetwork("ringcast_rtmfp_sessions", "gauge", "Sessions with other nodes, open, opening or closing.", func(s *peernode.Stats) float64 { return float64(s.Sessions) }),
		networkCounter("ringcast_rtmfp_sessions_opened_total", "Sessions that came about.", func(s *peernode.Stats) uint64 { return s.Transport.SessionsOpened }),
		networkCounter("ringcast_rtmfp_sessions_failed_total", "Sessions that did not.", func(s *peernode.Stats) uint64 { return s.Transport.SessionsFailed }),
		networkCounter("ringcast_rtmfp_sessions_closed_total", "Sessions that have ended.", func(s *peernode.Stats) uint64 { return s.Transport.SessionsClosed }),
		networkCounter("ringcast_rtmfp_packets_received_total", "Packets handled.", func(s *peernode.Stats) uint64 { return s.Transport.Received }),
		networkCounter("ringcast_rtmfp_packets_sent_total", "Packets built.", func(s *peernode.Stats) uint64 { return s.Transport.Sent }),
		networkCounter("ringcast_rtmfp_packets_undecipherable_total", "Packets dropped: of an unknown session, forged, damaged or repeated.", func(s *peernode.Stats) uint64 { return s.Transport.Undecipherable }),
		networkCounter("ringcast_rtmfp_packets_malformed_total", "Packets and chunks dropped for their shape.", func(s *peernode.Stats) uint64 { return s.Transport.Malformed }),
		networkCounter("ringcast_rtmfp_bad_cookies_total", "Keyings with a cookie that is not ours.", func(s *peernode.Stats) uint64 { return s.Transport.BadCookies }),
		networkCounter("ringcast_rtmfp_refused_total", "Packets and sessions dropped because a limit was reached.", func(s *peernode.Stats) uint64 { return s.Transport.Refused }),
		networkCounter("ringcast_rtmfp_hellos_answered_total", "Openings answered.", func(s *peernode.Stats) uint64 { return s.Transport.HellosAnswered }),
		networkCounter("ringcast_rtmfp_retransmitted_fragments_total", "Fragments sent again, since they were lost.", func(s *peernode.Stats) uint64 { return s.Transport.Retransmitted }),
		networkCounter("ringcast_rtmfp_messages_delivered_total", "Messages handed over.", func(s *peernode.Stats) uint64 { return s.Transport.Delivered }),
		networkCounter("ringcast_rtmfp_messages_abandoned_total", "Messages given up by their sender.", func(s *peernode.Stats) uint64 { return s.Transport.Abandoned }),
		networkCounter("ringcast_rtmfp_keys_replaced_total", "Session keys of this end replaced by fresh ones.", func(s *peernode.Stats) uint64 { return s.Transport.KeysReplaced }),
		networkCounter("ringcast_udp_received_bytes_total", "Bytes of datagrams received.", func(s *peernode.Stats) uint64 { return s.Sockets.ReadBytes }),
		networkCounter("ringcast_udp_sent_bytes_total", "Bytes of datagrams sent.", func(s *peernode.Stats) uint64 { return s.Sockets.WriteBytes }),
		networkCounter("ringcast_udp_received_datagrams_total", "Datagrams received.", func(s *peernode.Stats) uint64 { return s.Sockets.ReadDatagrams }),
		networkCounter("ringcast_udp_sent_datagrams_total", "Datagrams sent.", func(s *peernode.Stats) uint64 { return s.Sockets.WriteDatagrams }),
		networkCounter("ringcast_udp_receive_errors_total", "Reads that failed.", func(s *peernode.Stats) uint64 { return s.Sockets.ReadErrors }),
		networkCounter("ringcast_udp_send_errors_total", "Datagrams and runs of them that could not be sent.", func(s *peernode.Stats) uint64 { return s.Sockets.WriteErrors + s.Sockets.Unroutable }),
		networkCounter("ringcast_udp_truncated_total", "Datagrams dropped because they were too large.", func(s *peernode.Stats) uint64 { return s.Sockets.Truncated }),
	}
}

// uplinkRanks names the classes of the upload queue, in the order in which
// they are served.
var uplinkRanks = [...]string{
	multicast.UplinkControl: "control", multicast.UplinkFirst: "first", multicast.UplinkRelayed: "relayed",
	multicast.UplinkLeaves: "leaves", multicast.UplinkRest: "rest",
}

// uplinkMetrics are those of what the node sends in all its groups.
func uplinkMetrics() []metric {
	return []metric{
		ofNetwork("ringcast_uplink_queue_seconds", "gauge", "How long what waits in the upload queue will take.", func(s *peernode.Stats) float64 { return s.UplinkQueue.Seconds() }),
		{"ringcast_uplink_sent_bytes_total", "counter", "Bytes that the upload queue sent, with what packets cost on the line; side is what was sent beside the queue.", []string{"rank"}, func(s *snapshot, add addSample) {
			if s.network == nil {
				return
			}
			for rank, count := range s.network.Uplink.Bytes {
				add(float64(count), uplinkRanks[rank])
			}
			add(float64(s.network.Uplink.ChargedBytes), "side")
		}},
		{"ringcast_uplink_dropped_packets_total", "counter", "Packets of the upload queue that were not sent: past their deadline, no room, not wanted any more.", []string{"reason"}, func(s *snapshot, add addSample) {
			if s.network != nil {
				add(float64(s.network.Uplink.Expired), "expired")
				add(float64(s.network.Uplink.Overflowed), "queue full")
				add(float64(s.network.Uplink.Withdrawn), "not wanted")
			}
		}},
		networkCounter("ringcast_node_dials_total", "Sessions that groups asked for.", func(s *peernode.Stats) uint64 { return s.Node.Dials }),
		networkCounter("ringcast_node_dials_failed_total", "Those that did not come about.", func(s *peernode.Stats) uint64 { return s.Node.DialsFailed }),
		networkCounter("ringcast_node_introduced_total", "Hellos of peers helped on to another peer.", func(s *peernode.Stats) uint64 { return s.Node.Introduced }),
		networkCounter("ringcast_node_flows_refused_total", "Flows with metadata or a group that nobody knows.", func(s *peernode.Stats) uint64 { return s.Node.FlowsRefused }),
		networkCounter("ringcast_node_media_dropped_total", "Fragments given up: no flow, or its queue was full.", func(s *peernode.Stats) uint64 { return s.Node.MediaDropped }),
		networkCounter("ringcast_node_control_lost_total", "Control messages given up: no flow.", func(s *peernode.Stats) uint64 { return s.Node.ControlLost }),
		networkCounter("ringcast_node_relayed_datagrams_total", "Datagrams sent through other members, where no direct way leads.", func(s *peernode.Stats) uint64 { return s.Node.RelayedPieces }),
	}
}
