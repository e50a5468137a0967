package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The addresses of a chain on the loopback of a namespace of its own: the
// publisher's and those of the nodes behind it follow each other, and only next
// ones reach each other. Viewers elsewhere reach all.
const (
	introducerAddr = "127.0.1.250"
	maxHops        = 8
)

func chainAddr(hop int) string    { return fmt.Sprintf("127.0.1.%d", 1+hop) }
func elsewhere(number int) string { return fmt.Sprintf("127.0.2.%d", 1+number) }

// insideVariable tells the process that it is in the namespace already.
const insideVariable = "EDGEBENCH_INSIDE"

// enterNamespace runs this program again in a network namespace of its own,
// unless it is there, and prepares the namespace. It reports whether the caller
// is the one inside.
func enterNamespace(ctx context.Context) (inside bool, err error) {
	if os.Getenv(insideVariable) == "" {
		self, err := os.Executable()
		if err != nil {
			return false, err
		}
		cmd := exec.CommandContext(ctx, "unshare", append([]string{"--net", self}, os.Args[1:]...)...)
		cmd.Env = append(os.Environ(), insideVariable+"=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		return false, cmd.Run()
	}
	if out, err := exec.CommandContext(ctx, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return true, fmt.Errorf("ip: %w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(chainRules())
	if out, err := cmd.CombinedOutput(); err != nil {
		return true, fmt.Errorf("nft: %w: %s", err, out)
	}
	return true, nil
}

// chainRules are the rules that keep nodes apart which are not next to each
// other, and count what the publisher sends.
func chainRules() string {
	var b strings.Builder
	b.WriteString("table inet edge {\ncounter egress {}\nchain in { type filter hook input priority 0\n")
	for a := range maxHops + 1 {
		for c := range maxHops + 1 {
			if a-c > 1 || c-a > 1 {
				fmt.Fprintf(&b, "ip saddr %s ip daddr %s drop\n", chainAddr(a), chainAddr(c))
			}
		}
	}
	fmt.Fprintf(&b, "}\nchain out { type filter hook output priority 0\nip saddr %s meta l4proto udp counter name egress\n}\n}\n", chainAddr(0))
	return b.String()
}

var counted = regexp.MustCompile(`bytes (\d+)`)

// egress returns the bytes of IP packets that the publisher has sent to other
// nodes. Of a run that the kernel is given in one piece one header counts.
func egress(ctx context.Context) (uint64, error) {
	out, err := exec.CommandContext(ctx, "nft", "list", "counter", "inet", "edge", "egress").Output()
	if err != nil {
		return 0, err
	}
	m := counted.FindSubmatch(out)
	if m == nil {
		return 0, errors.New("nft shows no counter")
	}
	return strconv.ParseUint(string(m[1]), 10, 64)
}

// readyLine is what the program prints with --json when it is ready.
type readyLine struct {
	Ready                    bool
	PeerID, Link, RTMP, HTTP string
	Streams                  []struct{ HLS, RTSP string }
}

// startNode starts a command of our binary and waits until it is ready.
func startNode(ctx context.Context, dir, binary string, args ...string) (*running, *readyLine, error) {
	cmd := exec.CommandContext(ctx, binary, append(args, "--json", "--log-level", "error")...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	ready := &readyLine{}
	lines := bufio.NewScanner(out)
	for !ready.Ready {
		if !lines.Scan() {
			return nil, nil, fmt.Errorf("%s %s ended before it was ready", binary, args[0])
		}
		_ = json.Unmarshal(lines.Bytes(), ready)
	}
	go func() {
		for lines.Scan() {
			continue // the pipe must not fill up
		}
	}()
	r := &running{cmd: cmd, pid: cmd.Process.Pid, rtmp: hostOf(ready.RTMP), http: hostOf(ready.HTTP)}
	if len(ready.Streams) > 0 {
		r.rtsp, r.hls = hostOf(ready.Streams[0].RTSP), ready.Streams[0].HLS
	}
	return r, ready, nil
}

// network is a publisher behind an introducer of its own, and the viewers'
// nodes.
type network struct {
	publisher *running
	link      string
	all       []*running
}

func (n *network) stop() {
	for _, r := range n.all {
		_ = r.cmd.Process.Signal(os.Interrupt)
	}
	for _, r := range n.all {
		r.stop()
	}
}

var freePorts = []string{"--rtsp-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}

func openNetwork(ctx context.Context, dir, binary string) (*network, error) {
	n := &network{}
	meet, _, err := startNode(ctx, dir, binary, "introducer", "--rtmfp-listen", introducerAddr+":1935", "--http-listen", "")
	if err != nil {
		return nil, err
	}
	n.all = append(n.all, meet)
	p, ready, err := startNode(ctx, dir, binary, append([]string{
		"publish", "--stream", streamName, "--rtmp-listen", "127.0.0.1:0",
		"--introducer", introducerAddr + ":1935", "--rtmfp-listen", chainAddr(0) + ":0",
	}, freePorts...)...)
	if err != nil {
		n.stop()
		return nil, err
	}
	n.publisher, n.link, n.all = p, ready.Link, append(n.all, p)
	return n, nil
}

// join adds a viewer's node.
func (n *network) join(ctx context.Context, dir, binary, addr string) (*running, error) {
	v, _, err := startNode(ctx, dir, binary, append([]string{"play", n.link, "--rtmfp-listen", addr + ":0"}, freePorts...)...)
	if err != nil {
		return nil, err
	}
	n.all = append(n.all, v)
	return v, nil
}

// openChain opens a network in which each node reaches the next one only.
func openChain(ctx context.Context, dir, binary string, hops int) (*network, []*running, error) {
	n, err := openNetwork(ctx, dir, binary)
	if err != nil {
		return nil, nil, err
	}
	nodes := []*running{n.publisher}
	for hop := 1; hop <= hops; hop++ {
		v, err := n.join(ctx, dir, binary, chainAddr(hop))
		if err != nil {
			n.stop()
			return nil, nil, err
		}
		nodes = append(nodes, v)
	}
	time.Sleep(2 * time.Second) // the links between them
	return n, nodes, nil
}

// viewerNode is our binary as a viewer's node some hops from the publisher.
func viewerNode(binary string, hops int) server {
	return server{name: "ringcast", binary: binary, start: func(ctx context.Context, dir string) (*running, error) {
		n, nodes, err := openChain(ctx, dir, binary, hops)
		if err != nil {
			return nil, err
		}
		last := *nodes[hops]
		last.rtmp, last.network = n.publisher.rtmp, n
		return &last, nil
	}}
}
