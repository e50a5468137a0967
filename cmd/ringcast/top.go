package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringcast/ringcast/playout/web"
)

// topView is everything that is shown at one moment.
type topView struct {
	at        time.Time
	node      web.NodeStatus
	streams   []web.StreamStatus
	groups    []web.GroupStatus
	neighbors map[string][]web.NeighborStatus
}

func newTopCommand() *cobra.Command {
	var address string
	var interval time.Duration
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch a running node",
		Long: "Show what a running node does: streams with rates by source, the window and its\n" +
			"holes, the delay behind the publisher, and the neighbors with what they push and\n" +
			"get. Asks the node's HTTP address; Ctrl-C ends it.",
		Example: "  ringcast top\n  ringcast top --node http://192.0.2.7:8080 --interval 2s\n  ringcast top --once",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usageError(fmt.Errorf("--interval %v: want 100ms or more", interval))
			}
			base, err := url.Parse(address)
			if err != nil || base.Host == "" {
				return usageError(fmt.Errorf("--node %q: want a URL such as http://127.0.0.1:8080", address))
			}
			t := &top{base: base, out: cmd.OutOrStdout(), client: &http.Client{Timeout: 5 * time.Second}}
			f, isFile := cmd.OutOrStdout().(*os.File)
			if once || !isFile || !term.IsTerminal(int(f.Fd())) {
				return t.once(cmd.Context())
			}
			return t.loop(cmd.Context(), f, interval)
		},
	}
	cmd.Flags().StringVar(&address, "node", "http://127.0.0.1:8080", "the node's HTTP address")
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between two looks")
	cmd.Flags().BoolVar(&once, "once", false, "print once and end, as it does when the output is no terminal")
	return cmd
}

type top struct {
	base   *url.URL
	out    io.Writer
	client *http.Client
	last   *topView
}

// loop redraws the screen until ctx is done.
func (t *top) loop(ctx context.Context, f *os.File, interval time.Duration) error {
	const enter, leave, home = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H\x1b[J"
	fmt.Fprint(t.out, enter)
	defer fmt.Fprint(t.out, leave)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		width, height := screenSize(term.GetSize(int(f.Fd())))
		v, err := t.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			fmt.Fprintf(t.out, "%sringcast top: %v\r\n\r\nTrying again every %v; Ctrl-C ends.\r\n", home, err, interval)
		default:
			lines := strings.Split(v.render(t.last, width), "\n")
			fmt.Fprint(t.out, home, strings.Join(lines[:min(len(lines), height-1)], "\r\n"))
			t.last = v
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// screenSize returns what is known of a terminal's size. Serial lines, and
// containers without a size, say 0 × 0.
func screenSize(width, height int, err error) (int, int) {
	if err != nil || width < 1 || height < 2 {
		return 80, 24
	}
	return width, height
}

// once prints two looks' difference: rates need both.
func (t *top) once(ctx context.Context) error {
	first, err := t.look(ctx)
	if err != nil {
		return &statusError{exitAddress, err}
	}
	select {
	case <-time.After(500 * time.Millisecond):
	case <-ctx.Done():
		return nil
	}
	v, err := t.look(ctx)
	if err != nil {
		return &statusError{exitAddress, err}
	}
	_, err = fmt.Fprintln(t.out, v.render(first, 120))
	return err
}

// look asks the node for everything.
func (t *top) look(ctx context.Context) (*topView, error) {
	v := &topView{at: time.Now(), neighbors: make(map[string][]web.NeighborStatus)}
	if err := t.get(ctx, "/api/v1/node", &v.node); err != nil {
		return nil, err
	}
	var streams struct{ Items []web.StreamStatus }
	if err := t.get(ctx, "/api/v1/streams", &streams); err != nil {
		return nil, err
	}
	v.streams = streams.Items
	var groups struct{ Items []web.GroupStatus }
	if err := t.get(ctx, "/api/v1/groups", &groups); err != nil && !errors.Is(err, errNoResource) {
		return nil, err
	}
	v.groups = groups.Items
	for _, g := range v.groups {
		var list struct{ Items []web.NeighborStatus }
		if err := t.get(ctx, "/api/v1/groups/"+g.ID+"/neighbors", &list); err == nil {
			v.neighbors[g.ID] = list.Items
		}
	}
	return v, nil
}

// errNoResource means that the node does not have what was asked for.
var errNoResource = errors.New("no such resource")

func (t *top) get(ctx context.Context, path string, into any) error {
	u := *t.base
	u.Path = path
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return fmt.Errorf("no node answers at %s: is one running, and is this its HTTP address? %w", t.base, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		const most = 8 << 20
		return json.NewDecoder(io.LimitReader(resp.Body, most)).Decode(into)
	case http.StatusNotFound:
		return errNoResource
	}
	return fmt.Errorf("%s answers %s", u.String(), resp.Status)
}

// render draws the view; rates are the change since before.
func (v *topView) render(before *topView, width int) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		text := []rune(fmt.Sprintf(format, args...))
		b.WriteString(string(text[:min(len(text), width)]))
		b.WriteByte('\n')
	}
	line("ringcast %s  up %v  %s", v.node.Version, time.Since(v.node.Started).Round(time.Second), v.at.Format(time.TimeOnly))
	if v.node.PeerID != "" {
		seen := ""
		if len(v.node.Seen) > 0 {
			seen = "  seen as " + strings.Join(v.node.Seen, ", ")
		}
		line("peer %s%s", v.node.PeerID[:16], seen)
	}
	line("")
	line("%-24s %-10s %8s %8s %8s %8s %8s %7s %6s %7s %7s", "STREAM", "STATE", "IN kb/s", "OUT kb/s", "PUSHED%", "PULLED%", "NATIVE%", "WINDOW", "HOLES", "DELAY", "VIEWERS")
	for _, s := range v.streams {
		viewers := 0
		for _, n := range s.Viewers {
			viewers += n
		}
		m := s.Multicast
		if m == nil {
			line("%-24s %-10s %8.0f %8s %8s %8s %8s %7s %6s %7s %7d", s.Name, s.State, v.rate(before, s.Name), "-", "-", "-", "-", "-", "-", "-", viewers)
			continue
		}
		all := max(float64(m.FragmentsPushedFromPeers+m.FragmentsRequestedFromPeers+m.FragmentsReceivedFromIPMulticast), 1)
		line("%-24s %-10s %8.0f %8.0f %8.1f %8.1f %8.1f %6.1f%% %6d %6.2fs %7d", s.Name, s.State,
			max(v.rate(before, s.Name), m.ReceiveDataBytesPerSecond*8/1000), m.SendDataBytesPerSecond*8/1000,
			100*float64(m.FragmentsPushedFromPeers)/all, 100*float64(m.FragmentsRequestedFromPeers)/all,
			100*float64(m.FragmentsReceivedFromIPMulticast)/all, 100*m.WindowFill, m.Holes, m.Delay, viewers)
	}
	for _, g := range v.groups {
		line("")
		up := 0
		for _, i := range g.Introducers {
			if i.Up {
				up++
			}
		}
		introducers := ""
		if len(g.Introducers) > 0 { // a publisher that is one itself has none
			introducers = fmt.Sprintf(", introducers %d of %d", up, len(g.Introducers))
		}
		line("GROUP %s  about %s, %s, %d heard of%s", g.Name, countOf(int(math.Round(g.EstimatedMembers)), "member"), countOf(g.NeighborCount, "neighbor"), g.Heard, introducers)
		line("%-18s %-22s %5s %8s %-9s %-9s %s", "NEIGHBOR", "ADDRESS", "SIDE", "RTT ms", "PUSHES US", "WE PUSH", "LINK")
		for _, n := range v.neighbors[g.ID] {
			var from, to uint8
			for _, s := range n.Streams {
				from, to = from|bits(s.From), to|bits(s.To)
			}
			line("%-18s %-22s %5s %8.1f %-9s %-9s %s", n.PeerID[:16], n.Remote, side(n.Side), n.RTT, sliceMarks(from), sliceMarks(to), linkWords(n))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// rate is what came in of a stream since before, in kbit/s.
func (v *topView) rate(before *topView, name string) float64 {
	if before == nil {
		return 0
	}
	var now, then uint64
	for _, s := range v.streams {
		if s.Name == name {
			now = s.ReceivedBytes
		}
	}
	for _, s := range before.streams {
		if s.Name == name {
			then = s.ReceivedBytes
		}
	}
	if elapsed := v.at.Sub(before.at).Seconds(); now > then && elapsed > 0 {
		return float64(now-then) * 8 / 1000 / elapsed
	}
	return 0
}

func bits(slices []int) (set uint8) {
	for _, s := range slices {
		set |= 1 << (s & 7)
	}
	return set
}

// sliceMarks draws a set of slices: a digit for each that flows.
func sliceMarks(set uint8) string {
	marks := []byte("........")
	for i := range marks {
		if set&(1<<i) != 0 {
			marks[i] = '0' + byte(i)
		}
	}
	return string(marks)
}

func side(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%+d", n)
}

func linkWords(n web.NeighborStatus) string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{{n.Suspect, "suspect"}, {n.Relayed, "relayed"}, {!n.Ready, "not ready"}, {!n.Extensions, "plain"}, {n.Outbound, "outbound"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}
