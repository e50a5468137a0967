package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

func main() {
	var b bench
	binary := flag.String("ringcast", "bin/ringcast", "the `binary` under test (empty: measure only the other)")
	other := flag.String("mediamtx", "", "a MediaMTX `binary` to measure in the same run")
	only := flag.String("only", "", "comma-separated `names` of the experiments to run, such as E1,E7 (default all)")
	flag.IntVar(&b.windows, "windows", 3, "measuring windows for each figure")
	flag.DurationVar(&b.window, "window", 8*time.Second, "length of a measuring window")
	flag.IntVar(&b.readers, "rtsp-readers", 200, "RTSP readers of E1")
	flag.IntVar(&b.viewers, "hls-viewers", 1000, "HLS viewers of E2")
	flag.IntVar(&b.lowLatency, "ll-viewers", 200, "low-latency HLS viewers of E2")
	hops := flag.Int("hops", 0, "measure a viewer's node that many hops from the publisher, in a network namespace (needs root)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *hops > 0 {
		inside, err := enterNamespace(ctx)
		if *hops > maxHops {
			err = fmt.Errorf("at most %d", maxHops)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "edgebench: -hops, which needs root, util-linux, iproute2 and nftables:", err)
			os.Exit(1)
		}
		if !inside {
			return
		}
		b.network = true
	}
	switch {
	case *binary != "" && *hops > 0:
		b.servers = append(b.servers, viewerNode(absolute(*binary), *hops))
	case *binary != "":
		b.servers = append(b.servers, ringcast(absolute(*binary)))
	}
	if *other != "" {
		b.servers = append(b.servers, mediamtx(absolute(*other)))
	}
	if err := b.run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "edgebench:", err)
		os.Exit(1)
	}
}

// absolute returns the path of a program that is started in another folder.
func absolute(name string) string {
	if full, err := filepath.Abs(name); err == nil && strings.ContainsRune(name, filepath.Separator) {
		return full
	}
	return name
}

// bench is one run of the experiments.
type bench struct {
	servers                      []server
	windows                      int
	window                       time.Duration
	readers, viewers, lowLatency int
	network                      bool // in a namespace, with experiments of the network

	dir  string
	clip *load.Clip
}

// experiment measures one server once and returns its figures by name.
type experiment struct {
	name    string
	measure func(ctx context.Context, b *bench, s server) (map[string]float64, error)
	// network: it measures our own nodes' network, in a namespace.
	network bool
}

func (b *bench) run(ctx context.Context, only string) error {
	dir, err := os.MkdirTemp("", "edgebench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	if err := b.makeClip(ctx); err != nil {
		return err
	}
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	table := newTable(b.servers)
	for _, e := range experiments {
		if len(wanted) > 0 && !slices.Contains(wanted, e.name) {
			continue
		}
		// The servers take turns, so that a drift of the machine's speed
		// meets both.
		for round := range b.windows {
			for _, s := range b.servers {
				if e.network && (!b.network || s.binary == "") {
					continue
				}
				fmt.Fprintf(os.Stderr, "%s round %d of %d: %s\n", e.name, round+1, b.windows, s.name)
				figures, err := e.measure(ctx, b, s)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", e.name, s.name, err)
				}
				table.add(s.name, figures)
			}
		}
	}
	table.print(os.Stdout)
	return nil
}

// makeClip records the stream that all experiments push: 720p25 H.264 at
// 2 Mbit/s with a key frame each second, and AAC.
func (b *bench) makeClip(ctx context.Context) error {
	name := filepath.Join(b.dir, "clip.flv")
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25", "-f", "lavfi", "-i", "sine=440:sample_rate=48000", "-t", "16",
		"-vf", "noise=alls=12:allf=t", "-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p",
		"-b:v", "2M", "-maxrate", "2M", "-bufsize", "1M", "-c:a", "aac", "-b:a", "128k", "-f", "flv", name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg could not make the clip: %w\n%s", err, out)
	}
	clip, err := load.ReadClip(name)
	b.clip = clip
	return err
}
