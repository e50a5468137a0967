package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"
)

// contestant is a way to move bytes: a server that prints where it listens, and
// a client that prints a result for it.
type contestant struct {
	name   string
	serve  []string
	send   []string // the size, time and address follow
	target string   // what the address is put into
	// limit is the most CPU seconds for 10^9 bytes that are wanted; 0 is none.
	limit float64
}

// result is what a client prints.
type result struct {
	Seconds  float64 `json:"seconds"`
	Bytes    float64 `json:"bytes"`
	Packets  float64 `json:"packets"`
	Sender   cost    `json:"sender"`
	Receiver cost    `json:"receiver"`
}

type cost struct {
	CPU         float64 `json:"cpuSeconds"`
	Allocations float64 `json:"allocations"`
}

func main() {
	program := flag.String("ringcast", "bin/ringcast", "the `program` under test")
	quic := flag.String("quic", "", "a quicbench `program` to measure in the same run")
	rounds := flag.Int("rounds", 7, "measurements of each")
	window := flag.Duration("time", 2*time.Second, "length of a measurement")
	sizes := flag.String("sizes", "16384,1000", "`bytes` in a message, comma-separated")
	sessions := flag.Int("idle", 0, "measure this many idle sessions instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *sessions > 0 {
		if err := idle(ctx, os.Stdout, *program, *sessions, 30*time.Second); err != nil {
			fmt.Fprintln(os.Stderr, "rtmfpbench:", err)
			os.Exit(1)
		}
		return
	}
	var all []contestant
	for _, p := range []struct {
		profile, name string
		limit         float64
	}{
		{"modern", "modern, AES-128-GCM", 3},
		{"chacha", "modern, ChaCha20-Poly1305", 0},
		{"hmac", "Flash, HMAC", 7},
		{"checksum", "Flash, checksum", 5},
	} {
		common := []string{*program, "rtmfp", "--profile", p.profile}
		all = append(all, contestant{
			name: p.name, limit: p.limit, serve: append(slices.Clone(common), "serve", "--listen", "127.0.0.1:0"),
			send: append(slices.Clone(common), "bench", "--json"), target: "rtmfp://%s/bench",
		})
	}
	if *quic != "" {
		all = append(all, contestant{name: "quic-go", serve: []string{*quic, "serve"}, send: []string{*quic, "send"}, target: "%s"})
	}
	for _, text := range strings.Split(*sizes, ",") {
		size, err := strconv.Atoi(text)
		if err == nil {
			err = measure(ctx, os.Stdout, all, size, *rounds, *window)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "rtmfpbench:", err)
			os.Exit(1)
		}
	}
}

// measure lets all take turns and prints a table.
func measure(ctx context.Context, out io.Writer, all []contestant, size, rounds int, window time.Duration) error {
	results := make([][]result, len(all))
	for range rounds {
		for i, c := range all {
			r, err := c.run(ctx, size, window)
			if err != nil {
				return fmt.Errorf("measure %s: %w", c.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Fprintf(out, "\nMessages of %d bytes, medians of %d turns of %v, least and largest in brackets:\n\n", size, rounds, window)
	fmt.Fprintln(out, "| | MB/s | CPU-s/GB, both ends | sender | receiver | packets/s | allocations a packet | target |\n|---|---|---|---|---|---|---|---|")
	for i, c := range all {
		target := "-"
		if c.limit > 0 {
			target = fmt.Sprintf("≤ %.0f", c.limit)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", c.name,
			spread(results[i], "%.0f", func(r result) float64 { return r.Bytes / r.Seconds / 1e6 }),
			spread(results[i], "%.2f", func(r result) float64 { return (r.Sender.CPU + r.Receiver.CPU) / r.Bytes * 1e9 }),
			spread(results[i], "%.2f", func(r result) float64 { return r.Sender.CPU / r.Bytes * 1e9 }),
			spread(results[i], "%.2f", func(r result) float64 { return r.Receiver.CPU / r.Bytes * 1e9 }),
			spread(results[i], "%.0f", func(r result) float64 { return r.Packets / r.Seconds }),
			spread(results[i], "%.3f", func(r result) float64 { return (r.Sender.Allocations + r.Receiver.Allocations) / r.Packets }), target)
	}
	return nil
}

func spread(results []result, format string, of func(result) float64) string {
	var v []float64
	for _, r := range results {
		v = append(v, of(r))
	}
	slices.Sort(v)
	middle := (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	return fmt.Sprintf(format+" ("+format+" to "+format+")", middle, v[0], v[len(v)-1])
}

// run measures once.
func (c *contestant) run(ctx context.Context, size int, window time.Duration) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, window+30*time.Second)
	defer cancel()
	server := exec.CommandContext(ctx, c.serve[0], c.serve[1:]...)
	server.Stderr = os.Stderr
	output, err := server.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := server.Start(); err != nil {
		return r, err
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	var addr string
	lines := bufio.NewScanner(output)
	for addr == "" && lines.Scan() {
		addr, _ = strings.CutPrefix(lines.Text(), "listening on ")
	}
	go func() {
		for lines.Scan() { // whatever else it says
		}
	}()
	args := append(slices.Clone(c.send[1:]), "--size", strconv.Itoa(size), "--time", window.String(), fmt.Sprintf(c.target, addr))
	client := exec.CommandContext(ctx, c.send[0], args...)
	client.Stderr = os.Stderr
	text, err := client.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}
