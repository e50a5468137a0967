package web

import (
	"net/http"
	"strconv"
	"sync/atomic"
)

// counters are those of the server itself.
type counters struct {
	requests, refusedHosts, refusedClients atomic.Uint64
}

// HTTPStats is what a [Server] counts.
type HTTPStats struct {
	// Requests were handled, among them those refused for their Host header or
	// for where they came from.
	Requests, RefusedHosts, RefusedClients uint64
	// EventClients is how many listen to events now.
	EventClients int
}

// Stats returns the counters.
func (s *Server) Stats() HTTPStats {
	return HTTPStats{
		Requests: s.counts.requests.Load(), RefusedHosts: s.counts.refusedHosts.Load(), RefusedClients: s.counts.refusedClients.Load(),
		EventClients: s.eventClients.count(),
	}
}

// The exposition format of Prometheus is a few lines of text, which is why it
// is written here instead of drawing in the client library with its registry
// and its dozen modules: all values exist already, and are read when asked for.

// Metric is one metric with all its values at a moment.
type Metric struct {
	// Name is the whole name, with its unit; Kind is "counter" or "gauge".
	Name, Kind, Help string
	// Labels are the names of the labels that each sample has values for.
	Labels  []string
	Samples []MetricSample
}

// MetricSample is one value of a metric.
type MetricSample struct {
	Value float64
	// Labels are the values of the metric's labels, in their order.
	Labels []string
}

// AppendMetrics appends metrics in the Prometheus text format, version 0.0.4.
// A metric without samples is described all the same.
func AppendMetrics(b []byte, all []Metric) []byte {
	for i := range all {
		m := &all[i]
		b = append(b, "# HELP "+m.Name+" "+m.Help+"\n# TYPE "+m.Name+" "+m.Kind+"\n"...)
		for _, s := range m.Samples {
			b = append(b, m.Name...)
			for i, value := range s.Labels {
				b = append(b, "{,"[min(i, 1)])
				b = append(b, m.Labels[i]+`="`...)
				b = append(appendEscaped(b, value), '"')
			}
			if len(s.Labels) > 0 {
				b = append(b, '}')
			}
			b = append(b, ' ')
			b = append(strconv.AppendFloat(b, s.Value, 'g', -1, 64), '\n')
		}
	}
	return b
}

// appendEscaped appends the value of a label: backslash, quote and line end
// are escaped.
func appendEscaped(b []byte, value string) []byte {
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\', '"':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, c)
		}
	}
	return b
}

// metrics serves what the node counts.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if s.config.Metrics == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(AppendMetrics(nil, s.config.Metrics()))
}
