package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:generate go test -run TestMetricsPage . -update

var update = flag.Bool("update", false, "write the generated pages again")

// writeMetrics writes docs/metrics.md.
func writeMetrics(b *bytes.Buffer) {
	b.WriteString("# Metrics\n\nWhat `/metrics` shows, in the text format of Prometheus. Made from the program's table by\n" +
		"`go generate ./cmd/ringcast`. [operations.md](operations.md) says which of them to watch;\n" +
		"[deploy/grafana.json](deploy/grafana.json) draws them, [deploy/alerts.yml](deploy/alerts.yml) has rules.\n\n" +
		"`group` is the first sixteen digits of the group's ID, as logs have it, and `stream` the path\n" +
		"of a stream. In a demo, the figures of the network are those of the node that the dashboard shows.\n\n" +
		"| metric | kind | labels | what |\n|---|---|---|---|\n")
	for _, m := range metricTable() {
		labels := strings.Join(m.labels, "`, `")
		if labels != "" {
			labels = "`" + labels + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, m.help)
	}
}

// TestMetricsPage: docs/metrics.md is current.
func TestMetricsPage(t *testing.T) {
	const name = "../../docs/metrics.md"
	var want bytes.Buffer
	writeMetrics(&want)
	if *update {
		if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not current: run go generate ./cmd/ringcast", name)
	}
}

// Names follow the rules of Prometheus: counters end in _total, and nothing
// stands in the table twice.
func TestMetricNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range metricTable() {
		if !regexp.MustCompile(`^ringcast(_[a-z]+)+$`).MatchString(m.name) || seen[m.name] {
			t.Errorf("%s is no good name, or there twice", m.name)
		}
		seen[m.name] = true
		if (m.kind == "counter") != strings.HasSuffix(m.name, "_total") || m.kind != "counter" && m.kind != "gauge" {
			t.Errorf("%s is a %s", m.name, m.kind)
		}
		if !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: the help is no sentence: %q", m.name, m.help)
		}
	}
}

// TestMetricsOfDemo: what a node with a stream from a group shows is read as
// Prometheus reads it, no series twice, and what must move has moved.
func TestMetricsOfDemo(t *testing.T) {
	demo := startProgram(t, "demo", "--peers", "2")
	waitFor(t, "the stream", func() bool { return demo.hasStream("live/demo", "live") })
	series := scrape(t, demo.ready.HTTP)
	for _, name := range []string{
		"ringcast_build_info", "ringcast_stream_live", "ringcast_multicast_received_bytes_total", "ringcast_multicast_received_fragments_total",
		"ringcast_rtmfp_sessions", "ringcast_udp_received_bytes_total", "ringcast_group_neighbors", "ringcast_introducer_up", "ringcast_heap_bytes",
	} {
		sum := 0.0
		for key, value := range series {
			if key == name || strings.HasPrefix(key, name+"{") {
				sum += value
			}
		}
		if sum <= 0 {
			t.Errorf("%s is %g in all, want more", name, sum)
		}
	}
}

var sampleLine = regexp.MustCompile(`^([a-z_]+)((?:\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})?) ([-+0-9.eE]+)$`)

// scrape reads /metrics of a node into its series.
func scrape(t *testing.T, base string) map[string]float64 {
	t.Helper()
	response, err := http.Get(strings.TrimSuffix(base, "/") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s, %v", response.Status, err)
	}
	series, described := make(map[string]float64), ""
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			described, _, _ = strings.Cut(rest, " ")
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || m[1] != described {
			t.Errorf("not a sample of %s: %q", described, line)
			continue
		}
		if _, twice := series[m[1]+m[2]]; twice {
			t.Errorf("the series %s%s is there twice", m[1], m[2])
		}
		var value float64
		if _, err := fmt.Sscan(m[3], &value); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		series[m[1]+m[2]] = value
	}
	return series
}

// metricWord finds names of ours in an expression.
var metricWord = regexp.MustCompile(`ringcast_[a-z_]+`)

// TestDashboardAndAlerts: the Grafana dashboard and the alert rules ask only
// for metrics and labels that there are.
func TestDashboardAndAlerts(t *testing.T) {
	known := make(map[string][]string)
	for _, m := range metricTable() {
		known[m.name] = m.labels
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("../../docs/deploy/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	expressions := make(map[string]string)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expressions[target.Expr] = p.Title
		}
	}
	rules, err := os.ReadFile("../../docs/deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+expr: (.*)$`).FindAllStringSubmatch(string(rules), -1) {
		expressions[m[1]] = "alert"
	}
	if len(expressions) < 20 {
		t.Fatalf("only %d expressions found", len(expressions))
	}
	grouping := regexp.MustCompile(`by \(([a-z, ]+)\)`)
	for expression, where := range expressions {
		names := metricWord.FindAllString(expression, -1)
		if len(names) == 0 && !strings.HasPrefix(expression, `up{`) { // up is Prometheus's own
			t.Errorf("%s: %q asks for nothing of ours", where, expression)
		}
		for _, name := range names {
			labels, ok := known[name]
			if !ok {
				t.Errorf("%s: %q asks for %s, which there is not", where, expression, name)
			}
			for _, g := range grouping.FindAllStringSubmatch(expression, -1) {
				for label := range strings.SplitSeq(g[1], ",") {
					if label = strings.TrimSpace(label); label != "instance" && !slices.Contains(labels, label) {
						t.Errorf("%s: %q groups %s by %s, which it has not", where, expression, name, label)
					}
				}
			}
		}
	}
}
