package main

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/ringcast/ringcast/multicast"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/playout/station"
	"github.com/ringcast/ringcast/playout/web"
)

// metric is a row of the table of metrics: what /metrics shows, and where the
// value is.
type metric struct {
	name, kind, help string
	labels           []string
	// collect calls add for each value, with the labels' values.
	collect func(s *snapshot, add addSample)
}

type addSample func(value float64, labels ...string)

// snapshot is everything that metrics are made of, read once for each scrape.
type snapshot struct {
	http     web.HTTPStats
	node     web.NodeStatus
	streams  []web.StreamStatus
	stations []station.Status
	memory   runtime.MemStats
	live     [1]metrics.Sample // of the heap
	// network is nil on a node that is in no network.
	network *peernode.Stats
	groups  []groupSnapshot
	infos   []infoSnapshot
	// introducers says which meeting points answer, by address.
	introducers []peernode.IntroducerStatus
	introduces  bool
}

type groupSnapshot struct {
	group     string // the label
	neighbors int
	ring      peernode.RingInfo
	counters  peernode.Counters
}

// infoSnapshot is what is counted of a stream in a group.
type infoSnapshot struct {
	group, stream string // the labels
	multicast.Info
}

// metrics returns all metrics with their values.
func (n *node) metrics() []web.Metric {
	s := n.snapshot()
	table := metricTable()
	all := make([]web.Metric, len(table))
	for i, row := range table {
		m := &all[i]
		m.Name, m.Kind, m.Help, m.Labels = row.name, row.kind, row.help, row.labels
		row.collect(s, func(value float64, labels ...string) {
			m.Samples = append(m.Samples, web.MetricSample{Value: value, Labels: labels})
		})
	}
	return all
}

func (n *node) snapshot() *snapshot {
	s := &snapshot{http: n.web.Stats(), node: n.Node(), streams: n.Streams(), stations: n.media.station.Streams()}
	slices.SortFunc(s.stations, func(a, b station.Status) int { return strings.Compare(a.Path, b.Path) })
	runtime.ReadMemStats(&s.memory)
	s.live[0].Name = "/gc/heap/live:bytes"
	metrics.Read(s.live[:])
	if n.net == nil {
		return s
	}
	stats := n.net.face().Stats()
	s.network, s.introducers, s.introduces = &stats, n.net.face().Introducers(), n.net.options.introduce && n.net.options.demoPeers == 0
	for _, g := range n.net.groups() {
		label := g.ID()[:groupLabelDigits]
		s.groups = append(s.groups, groupSnapshot{label, len(g.Neighbors()), g.Ring(), g.Counters()})
		for _, st := range g.Streams() {
			if st.Publishing || st.Playing {
				s.infos = append(s.infos, infoSnapshot{label, streamLabel(st.Name), g.Info(st.Name)})
			}
		}
	}
	return s
}

// groupLabelDigits is how much of a group's ID stands for it in metrics and
// logs.
const groupLabelDigits = 16

// streamLabel is what metrics call a stream of a group: its path, as for all
// others.
func streamLabel(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "live/" + name
}

// metricTable is the one table of all metrics.
func metricTable() []metric {
	return slices.Concat(nodeMetrics(), streamMetrics(), multicastMetrics(), multicastGauges(), transportMetrics(), uplinkMetrics(),
		groupMetrics(), groupPartMetrics(), nativeMetrics(), introducerMetrics())
}

// counterOf and gaugeOf make a row with one value for the node.
func counterOf[N int | uint64](name, help string, get func(*snapshot) N) metric {
	return metric{name, "counter", help, nil, func(s *snapshot, add addSample) { add(float64(get(s))) }}
}

func gaugeOf(name, help string, get func(*snapshot) float64) metric {
	return metric{name, "gauge", help, nil, func(s *snapshot, add addSample) { add(get(s)) }}
}

// nodeMetrics are those of the process, its listeners and its HTTP server.
func nodeMetrics() []metric {
	return []metric{
		{"ringcast_build_info", "gauge", "Always 1; the versions are labels.", []string{"version", "go"}, func(s *snapshot, add addSample) {
			add(1, s.node.Version, runtime.Version())
		}},
		gaugeOf("ringcast_uptime_seconds", "Time since the node started.", func(s *snapshot) float64 { return time.Since(s.node.Started).Seconds() }),
		gaugeOf("ringcast_goroutines", "Goroutines of the process.", func(*snapshot) float64 { return float64(runtime.NumGoroutine()) }),
		gaugeOf("ringcast_heap_bytes", "Bytes of live and not yet swept heap objects.", func(s *snapshot) float64 { return float64(s.memory.HeapAlloc) }),
		gaugeOf("ringcast_heap_live_bytes", "Bytes of the heap objects that the last collection found in use.", func(s *snapshot) float64 { return float64(s.live[0].Value.Uint64()) }),
		gaugeOf("ringcast_memory_bytes", "Bytes of memory that the process has from the system.", func(s *snapshot) float64 { return float64(s.memory.Sys - s.memory.HeapReleased) }),
		counterOf("ringcast_http_requests_total", "HTTP requests.", func(s *snapshot) uint64 { return s.http.Requests }),
		counterOf("ringcast_http_refused_hosts_total", "HTTP requests refused for their Host header.", func(s *snapshot) uint64 { return s.http.RefusedHosts }),
		counterOf("ringcast_http_refused_clients_total", "HTTP requests for the dashboard, API or metrics refused for where they came from.", func(s *snapshot) uint64 { return s.http.RefusedClients }),
		gaugeOf("ringcast_http_event_clients", "Clients that listen to events.", func(s *snapshot) float64 { return float64(s.http.EventClients) }),
		{"ringcast_listener_connections", "gauge", "Connections of a listener now.", []string{"listener"}, func(s *snapshot, add addSample) {
			for _, g := range s.node.Guards {
				add(float64(g.Connections), g.Name)
			}
		}},
		{
			"ringcast_listener_refused_total", "counter",
			"Connections closed at once: too many in all (total), from one address (address), or new ones from it in a minute (rate).",
			[]string{"listener", "reason"},
			func(s *snapshot, add addSample) {
				for _, g := range s.node.Guards {
					for why := range refusals {
						reason := refusal(why).String()
						add(float64(g.Refused[reason]), g.Name, reason)
					}
				}
			},
		},
	}
}

// streamMetrics are those of each stream at this node, whether it is published
// here or comes from a group.
func streamMetrics() []metric {
	row := func(name, kind, help string, get func(*web.StreamStatus) float64) metric {
		return metric{name, kind, help, []string{"stream"}, func(s *snapshot, add addSample) {
			for i := range s.streams {
				add(get(&s.streams[i]), s.streams[i].Name)
			}
		}}
	}
	return []metric{
		row("ringcast_stream_live", "gauge", "1 while media arrives.", func(s *web.StreamStatus) float64 {
			if s.State == "live" {
				return 1
			}
			return 0
		}),
		row("ringcast_stream_received_bytes_total", "counter", "Bytes of media received.", func(s *web.StreamStatus) float64 { return float64(s.ReceivedBytes) }),
		row("ringcast_stream_received_messages_total", "counter", "Media messages received.", func(s *web.StreamStatus) float64 { return float64(s.ReceivedMessages) }),
		row("ringcast_stream_gaps_total", "counter", "Places where media is missing.", func(s *web.StreamStatus) float64 { return float64(s.Gaps) }),
		row("ringcast_stream_connections_total", "counter", "Connections of publishers and sources.", func(s *web.StreamStatus) float64 { return float64(s.Connections) }),
		{"ringcast_stream_dropped_messages_total", "counter", "Messages that outputs did not get: the queue was full, they came too late, or the playout buffer was full.", []string{"stream", "class", "reason"}, collectStationDrops},
		{"ringcast_stream_undecodable_messages_total", "counter", "Messages that outputs cannot use: malformed, of an unsupported codec, without their configuration, or before the first key frame.", []string{"stream", "reason"}, collectUndecodable},
		{"ringcast_stream_viewers", "gauge", "Readers of a stream by protocol.", []string{"stream", "protocol"}, func(s *snapshot, add addSample) {
			for i := range s.streams {
				for _, protocol := range []string{"flv", "hls", "rtmp", "rtsp"} {
					if count, ok := s.streams[i].Viewers[protocol]; ok {
						add(float64(count), s.streams[i].Name, protocol)
					}
				}
			}
		}},
	}
}

func collectStationDrops(s *snapshot, add addSample) {
	for i := range s.stations {
		st := &s.stations[i]
		for class := range st.Dropped {
			name := className(class)
			add(float64(st.Dropped[class]), st.Path, name, "queue")
			add(float64(st.Buffer.Late[class]), st.Path, name, "late")
			add(float64(st.Buffer.Overflow[class]), st.Path, name, "overflow")
		}
	}
}

func collectUndecodable(s *snapshot, add addSample) {
	for i := range s.stations {
		st := &s.stations[i]
		add(float64(st.Unpackager.Malformed), st.Path, "malformed")
		add(float64(st.Unpackager.Unsupported), st.Path, "unsupported")
		add(float64(st.Unpackager.NoConfig), st.Path, "configuration")
		add(float64(st.Unpackager.NoKey), st.Path, "key frame")
	}
}
