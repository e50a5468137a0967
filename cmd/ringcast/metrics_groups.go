package main

import (
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
)

// ofGroup makes a row with one value for each group.
func ofGroup(name, kind, help string, get func(*groupSnapshot) float64) metric {
	return metric{name, kind, help, []string{"group"}, func(s *snapshot, add addSample) {
		for i := range s.groups {
			add(get(&s.groups[i]), s.groups[i].group)
		}
	}}
}

func ringCounter(name, help string, get func(*overlay.RingStats) uint64) metric {
	return ofGroup(name, "counter", help, func(g *groupSnapshot) float64 { return float64(get(&g.counters.Ring)) })
}

// keyed is one of several values of a group.
type keyed struct {
	key string
	get func(*groupSnapshot) uint64
}

// ofGroupBy makes a row with a value for each group and key.
func ofGroupBy(name, help, label string, values ...keyed) metric {
	return metric{name, "counter", help, []string{"group", label}, func(s *snapshot, add addSample) {
		for i := range s.groups {
			for _, v := range values {
				add(float64(v.get(&s.groups[i])), s.groups[i].group, v.key)
			}
		}
	}}
}

// groupMetrics are those of a group's ring of neighbors.
func groupMetrics() []metric {
	return []metric{
		ofGroup("ringcast_group_ready", "gauge", "1 if the node has found its place in the ring.", func(g *groupSnapshot) float64 {
			if g.ring.Ready {
				return 1
			}
			return 0
		}),
		ofGroup("ringcast_group_neighbors", "gauge", "Members that the node is linked with.", func(g *groupSnapshot) float64 { return float64(g.neighbors) }),
		ofGroup("ringcast_group_estimated_members", "gauge", "Members of the group, told from how dense the ring is here.", func(g *groupSnapshot) float64 { return g.ring.EstimatedMembers }),
		ofGroup("ringcast_group_heard_members", "gauge", "Members that the node knows the names of.", func(g *groupSnapshot) float64 { return float64(g.ring.Heard) }),
		ofGroupBy(
			"ringcast_group_reports_total", "Reports of members about whom they know.", "direction",
			keyed{"sent", func(g *groupSnapshot) uint64 { return g.counters.Ring.ReportsSent }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Ring.ReportsReceived }},
		),
		ringCounter("ringcast_group_dials_total", "Attempts at sessions with members.", func(r *overlay.RingStats) uint64 { return r.Dials }),
		ringCounter("ringcast_group_dials_failed_total", "Those that failed.", func(r *overlay.RingStats) uint64 { return r.DialsFailed }),
		ringCounter("ringcast_group_accepted_total", "Members that asked to be neighbors, and became some.", func(r *overlay.RingStats) uint64 { return r.Accepted }),
		ringCounter("ringcast_group_refused_total", "Members that asked to be neighbors, and were refused.", func(r *overlay.RingStats) uint64 { return r.Refused }),
		ringCounter("ringcast_group_suspected_total", "Neighbors that gave no sign of life for a while.", func(r *overlay.RingStats) uint64 { return r.Suspected }),
		ringCounter("ringcast_group_false_alarms_total", "Those of them that lived.", func(r *overlay.RingStats) uint64 { return r.FalseAlarms }),
		ringCounter("ringcast_group_buried_total", "Neighbors that never answered again.", func(r *overlay.RingStats) uint64 { return r.Buried }),
		ringCounter("ringcast_group_rejoins_total", "Times that the node asked its introducers for members again.", func(r *overlay.RingStats) uint64 { return r.Rejoins }),
		ringCounter("ringcast_group_circuits_opened_total", "Links through another member, since no direct way led to the neighbor.", func(r *overlay.RingStats) uint64 { return r.CircuitsOpened }),
		ringCounter("ringcast_group_circuits_relayed_total", "Such links that this node carries for others.", func(r *overlay.RingStats) uint64 { return r.CircuitsRelayed }),
		ringCounter("ringcast_group_relayed_bytes_total", "Bytes carried in them.", func(r *overlay.RingStats) uint64 { return r.RelayedBytes }),
		ringCounter("ringcast_group_relay_dropped_total", "Datagrams of them that were dropped.", func(r *overlay.RingStats) uint64 { return r.RelayDropped }),
		ofGroupBy(
			"ringcast_group_misbehaviour_total", "What members sent in error or in bad faith: wrong proofs, messages that cannot be read, too many of them, names that were false or too many, addresses withheld from dialing.", "kind",
			keyed{"proof", func(g *groupSnapshot) uint64 { return g.counters.Ring.BadProofs }}, keyed{"malformed", func(g *groupSnapshot) uint64 { return g.counters.Ring.Malformed }},
			keyed{"flood", func(g *groupSnapshot) uint64 { return g.counters.Ring.Flooded }}, keyed{"false names", func(g *groupSnapshot) uint64 { return g.counters.Ring.NamesIgnored }},
			keyed{"names", func(g *groupSnapshot) uint64 { return g.counters.Ring.NamesOverLimit }}, keyed{"addresses", func(g *groupSnapshot) uint64 { return g.counters.Ring.AddrsWithheld }},
			keyed{"value", func(g *groupSnapshot) uint64 { return g.counters.Values }},
		),
	}
}

// groupPartMetrics are those of posts, directed routing and objects.
func groupPartMetrics() []metric {
	return []metric{
		ofGroupBy(
			"ringcast_posting_posts_total", "Posts of this node, new ones of others, and such that came though they were there.", "kind",
			keyed{"sent", func(g *groupSnapshot) uint64 { return g.counters.Posting.Posted }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Posting.Received }},
			keyed{"duplicate", func(g *groupSnapshot) uint64 { return g.counters.Posting.Duplicates }}, keyed{"given up", func(g *groupSnapshot) uint64 { return g.counters.Posting.GivenUp }},
		),
		ofGroupBy(
			"ringcast_posting_bytes_total", "Bytes of posts (data) and of what says who has which (keys).", "kind",
			keyed{"data sent", func(g *groupSnapshot) uint64 { return g.counters.Posting.DataBytesSent }}, keyed{"data received", func(g *groupSnapshot) uint64 { return g.counters.Posting.DataBytesReceived }},
			keyed{"keys sent", func(g *groupSnapshot) uint64 { return g.counters.Posting.KeyBytesSent }}, keyed{"keys received", func(g *groupSnapshot) uint64 { return g.counters.Posting.KeyBytesReceived }},
		),
		ofGroupBy(
			"ringcast_posting_misbehaviour_total", "Posts that cannot be read or fail their check, too many of them, or not asked for.", "kind",
			keyed{"malformed", func(g *groupSnapshot) uint64 { return g.counters.Posting.Malformed }}, keyed{"flood", func(g *groupSnapshot) uint64 { return g.counters.Posting.Flooded }},
			keyed{"unasked", func(g *groupSnapshot) uint64 { return g.counters.Posting.Unasked }},
		),
		ofGroupBy(
			"ringcast_routing_messages_total", "Routed messages: to and from neighbors, passed on for others, arrived here, come twice, sent another way, and dropped.", "kind",
			keyed{"sent", func(g *groupSnapshot) uint64 { return g.counters.Routing.Sent }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Routing.Received }},
			keyed{"forwarded", func(g *groupSnapshot) uint64 { return g.counters.Routing.Forwarded }}, keyed{"arrived", func(g *groupSnapshot) uint64 { return g.counters.Routing.Arrived }},
			keyed{"duplicate", func(g *groupSnapshot) uint64 { return g.counters.Routing.Duplicates }}, keyed{"rerouted", func(g *groupSnapshot) uint64 { return g.counters.Routing.Rerouted }},
			keyed{"dropped", func(g *groupSnapshot) uint64 { return g.counters.Routing.Dropped }},
		),
		ofGroupBy(
			"ringcast_routing_questions_total", "Messages of this node that want an answer.", "kind",
			keyed{"asked", func(g *groupSnapshot) uint64 { return g.counters.Routing.Asked }}, keyed{"answered", func(g *groupSnapshot) uint64 { return g.counters.Routing.Answered }},
			keyed{"failed", func(g *groupSnapshot) uint64 { return g.counters.Routing.Failed }},
		),
		ofGroupBy(
			"ringcast_replication_objects_total", "Objects that this node asked for, got and did not get, that others asked of it, and that it gave or denied.", "kind",
			keyed{"asked", func(g *groupSnapshot) uint64 { return g.counters.Replication.Asked }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Replication.Received }},
			keyed{"failed", func(g *groupSnapshot) uint64 { return g.counters.Replication.Failed }}, keyed{"refused", func(g *groupSnapshot) uint64 { return g.counters.Replication.Refused }},
			keyed{"requested", func(g *groupSnapshot) uint64 { return g.counters.Replication.Requested }}, keyed{"given", func(g *groupSnapshot) uint64 { return g.counters.Replication.Given }},
			keyed{"denied", func(g *groupSnapshot) uint64 { return g.counters.Replication.Denied }},
		),
		ofGroupBy(
			"ringcast_replication_bytes_total", "Bytes of objects, and of all messages about them.", "kind",
			keyed{"objects received", func(g *groupSnapshot) uint64 { return g.counters.Replication.BytesReceived }}, keyed{"objects given", func(g *groupSnapshot) uint64 { return g.counters.Replication.BytesGiven }},
			keyed{"sent", func(g *groupSnapshot) uint64 { return g.counters.Replication.AllSent }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Replication.AllReceived }},
		),
		ofGroupBy(
			"ringcast_replication_misbehaviour_total", "Messages about objects that cannot be read, too many of them, or not asked for.", "kind",
			keyed{"malformed", func(g *groupSnapshot) uint64 { return g.counters.Replication.Malformed }}, keyed{"flood", func(g *groupSnapshot) uint64 { return g.counters.Replication.Flooded }},
			keyed{"unasked", func(g *groupSnapshot) uint64 { return g.counters.Replication.Unasked }},
		),
	}
}

// nativeMetrics are those of native multicast, whatever stream is in it.
func nativeMetrics() []metric {
	return []metric{
		ofGroupBy(
			"ringcast_native_datagrams_total", "Native multicast datagrams: sent, taken, lost as far as is known, and dropped as foreign, repeated or malformed.", "kind",
			keyed{"sent", func(g *groupSnapshot) uint64 { return g.counters.Native.Sent.Datagrams }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Native.Received.Datagrams }},
			keyed{"lost", func(g *groupSnapshot) uint64 { return g.counters.Native.Received.Lost }}, keyed{"foreign", func(g *groupSnapshot) uint64 { return g.counters.Native.Received.Foreign }},
			keyed{"repeated", func(g *groupSnapshot) uint64 { return g.counters.Native.Received.Repeated }}, keyed{"malformed", func(g *groupSnapshot) uint64 { return g.counters.Native.Received.Malformed }},
		),
		ofGroupBy(
			"ringcast_native_bytes_total", "Their bytes.", "direction",
			keyed{"sent", func(g *groupSnapshot) uint64 { return g.counters.Native.Sent.Bytes }}, keyed{"received", func(g *groupSnapshot) uint64 { return g.counters.Native.Received.Bytes }},
		),
	}
}

// introducerMetrics are those of a meeting point, and of the meeting points
// that a node uses.
func introducerMetrics() []metric {
	row := func(name, kind, help string, get func(*introducer.Stats, *netconnection.ServerStats) float64) metric {
		return metric{name, kind, help, nil, func(s *snapshot, add addSample) {
			if s.introduces {
				add(get(&s.network.Introducer, &s.network.Server))
			}
		}}
	}
	return []metric{
		{"ringcast_introducer_up", "gauge", "1 if an introducer that the node uses answers.", []string{"addr"}, func(s *snapshot, add addSample) {
			seen := make(map[string]bool)
			for _, i := range s.introducers {
				value := 0.0
				if i.Up {
					value = 1
				}
				if !seen[i.Addr] {
					seen[i.Addr] = true
					add(value, i.Addr)
				}
			}
		}},
		row("ringcast_introducer_groups", "gauge", "Groups in the directory of this meeting point.", func(i *introducer.Stats, _ *netconnection.ServerStats) float64 { return float64(i.Groups) }),
		row("ringcast_introducer_members", "gauge", "Members in it.", func(i *introducer.Stats, _ *netconnection.ServerStats) float64 { return float64(i.Members) }),
		row("ringcast_introducer_joined_total", "counter", "Memberships that began.", func(i *introducer.Stats, _ *netconnection.ServerStats) float64 { return float64(i.Joined) }),
		row("ringcast_introducer_left_total", "counter", "Memberships that ended.", func(i *introducer.Stats, _ *netconnection.ServerStats) float64 { return float64(i.Left) }),
		row("ringcast_introducer_named_total", "counter", "Members named to newcomers.", func(i *introducer.Stats, _ *netconnection.ServerStats) float64 { return float64(i.Named) }),
		row("ringcast_introducer_refused_total", "counter", "Joins refused because a limit was reached.", func(i *introducer.Stats, _ *netconnection.ServerStats) float64 { return float64(i.Refused) }),
		row("ringcast_introducer_malformed_total", "counter", "Messages of clients that cannot be read.", func(i *introducer.Stats, s *netconnection.ServerStats) float64 {
			return float64(i.Malformed + s.Malformed)
		}),
		row("ringcast_introducer_connected_total", "counter", "Clients that connected.", func(_ *introducer.Stats, s *netconnection.ServerStats) float64 { return float64(s.Connected) }),
		row("ringcast_introducer_introduced_total", "counter", "Hellos answered with an introduction.", func(_ *introducer.Stats, s *netconnection.ServerStats) float64 { return float64(s.Introduced) }),
		row("ringcast_introducer_unknown_total", "counter", "Hellos for peers that are not here.", func(_ *introducer.Stats, s *netconnection.ServerStats) float64 { return float64(s.Unknown) }),
	}
}
