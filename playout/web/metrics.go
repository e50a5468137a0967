package web

import (
	"fmt"
	"net/http"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// counters are those of the server itself.
type counters struct {
	requests, refusedHosts, refusedClients atomic.Uint64
}

// The exposition format of Prometheus is a few lines of text, which is why it
// is written here instead of drawing in the client library with its registry
// and its dozen modules: all values exist already, and are read when asked for.

// nodeMetric is a row of the table of metrics of the node.
type nodeMetric struct {
	name, kind, help string
	get              func(*Server, NodeStatus) float64
}

// streamMetric is a row of the table of metrics of each stream.
type streamMetric struct {
	name, kind, help string
	get              func(StreamStatus) float64
}

func nodeMetrics() []nodeMetric {
	return []nodeMetric{
		{"ringcast_uptime_seconds", "gauge", "Time since the node started.", func(_ *Server, n NodeStatus) float64 { return time.Since(n.Started).Seconds() }},
		{"ringcast_http_requests_total", "counter", "HTTP requests.", func(s *Server, _ NodeStatus) float64 { return float64(s.counts.requests.Load()) }},
		{"ringcast_http_refused_hosts_total", "counter", "HTTP requests refused for their Host header.", func(s *Server, _ NodeStatus) float64 { return float64(s.counts.refusedHosts.Load()) }},
		{"ringcast_http_refused_clients_total", "counter", "HTTP requests for the dashboard, API or metrics refused for where they came from.", func(s *Server, _ NodeStatus) float64 { return float64(s.counts.refusedClients.Load()) }},
		{"ringcast_goroutines", "gauge", "Goroutines of the process.", func(*Server, NodeStatus) float64 { return float64(runtime.NumGoroutine()) }},
		{"ringcast_heap_bytes", "gauge", "Bytes of live and not yet swept heap objects.", func(*Server, NodeStatus) float64 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}},
	}
}

func streamMetrics() []streamMetric {
	return []streamMetric{
		{"ringcast_stream_live", "gauge", "1 while media arrives.", func(s StreamStatus) float64 {
			if s.State == "live" {
				return 1
			}
			return 0
		}},
		{"ringcast_stream_received_bytes_total", "counter", "Bytes of media received.", func(s StreamStatus) float64 { return float64(s.ReceivedBytes) }},
		{"ringcast_stream_received_messages_total", "counter", "Media messages received.", func(s StreamStatus) float64 { return float64(s.ReceivedMessages) }},
		{"ringcast_stream_dropped_messages_total", "counter", "Media messages dropped because they were late or too many.", func(s StreamStatus) float64 { return float64(s.DroppedMessages) }},
		{"ringcast_stream_gaps_total", "counter", "Places where media is missing.", func(s StreamStatus) float64 { return float64(s.Gaps) }},
		{"ringcast_stream_connections_total", "counter", "Connections of publishers and sources.", func(s StreamStatus) float64 { return float64(s.Connections) }},
	}
}

// metrics writes all metrics in the Prometheus text format, version 0.0.4.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	node, streams := s.config.Backend.Node(), s.config.Backend.Streams()
	var b strings.Builder
	head := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	head("ringcast_build_info", "gauge", "Always 1; the version is a label.")
	fmt.Fprintf(&b, "ringcast_build_info{version=%s,go=%s} 1\n", label(node.Version), label(runtime.Version()))
	for _, m := range nodeMetrics() {
		head(m.name, m.kind, m.help)
		fmt.Fprintf(&b, "%s %s\n", m.name, number(m.get(s, node)))
	}
	for _, m := range streamMetrics() {
		head(m.name, m.kind, m.help)
		for _, st := range streams {
			fmt.Fprintf(&b, "%s{stream=%s} %s\n", m.name, label(st.Name), number(m.get(st)))
		}
	}
	head("ringcast_stream_viewers", "gauge", "Readers of a stream by protocol.")
	for _, st := range streams {
		protocols := make([]string, 0, len(st.Viewers))
		for protocol := range st.Viewers {
			protocols = append(protocols, protocol)
		}
		sort.Strings(protocols)
		for _, protocol := range protocols {
			fmt.Fprintf(&b, "ringcast_stream_viewers{stream=%s,protocol=%s} %d\n", label(st.Name), label(protocol), st.Viewers[protocol])
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}

// label quotes a label value: backslash, quote and line end are escaped.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
