package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringcast/ringcast/playout/web"
)

// The node is what the web server asks about the state of things.
var _ web.Backend = (*node)(nil)

// Node describes the node.
func (n *node) Node() web.NodeStatus {
	s := web.NodeStatus{Version: version(), Started: n.started, Listeners: n.addresses(), RTMP: n.rtmpURL(), RTSP: n.rtspURL()}
	for _, g := range n.guards {
		open, refused := g.stats()
		l := web.ListenerStatus{Name: g.name, Connections: open, Refused: make(map[string]uint64)}
		for why, count := range refused {
			l.Refused[refusal(why).String()] = count
		}
		s.Guards = append(s.Guards, l)
	}
	if n.net != nil {
		s.PeerID, s.Link = n.net.node.PeerID().String(), n.net.linkTo(n.mainStream())
		s.Listeners["rtmfp"] = n.net.node.LocalAddrs()[0].String()
		for _, a := range n.net.node.Observed() {
			s.Seen = append(s.Seen, a.String())
		}
	}
	return s
}

// Streams describes all streams, with their URLs.
func (n *node) Streams() []web.StreamStatus {
	all := n.media.streams()
	if n.net != nil {
		all = n.net.describe(all)
	}
	for i := range all {
		all[i].URLs = n.urls(all[i].Name, false)
	}
	return all
}

// Ready reports whether every stream that the node was given a source for is
// on air.
func (n *node) Ready() (bool, string) {
	live := make(map[string]bool)
	for _, s := range n.media.streams() {
		live[s.Name] = s.State == "live"
	}
	for _, s := range n.media.configured() {
		if s.Source != "" && !live[s.Name] {
			return false, s.Name + " is not on air"
		}
	}
	if n.net != nil {
		return n.net.ready()
	}
	return true, ""
}

func (n *node) rtmpURL() string {
	if n.rtmp == nil {
		return ""
	}
	return "rtmp://" + hostPort(n.rtmp) + "/live"
}

func (n *node) rtspURL() string {
	if n.rtsp == nil {
		return ""
	}
	return "rtsp://" + hostPort(n.rtsp)
}

func (n *node) httpURL() string {
	switch {
	case n.http != nil:
		return "http://" + hostPort(n.http)
	case n.https != nil:
		return "https://" + hostPort(n.https)
	}
	return ""
}

// urls returns the addresses of a stream; absolute ones name the node's HTTP
// address.
func (n *node) urls(name string, absolute bool) web.URLs {
	base := (&url.URL{Path: "/" + name}).EscapedPath()
	u := web.URLs{}
	if n.httpURL() != "" {
		prefix := ""
		if absolute {
			prefix = n.httpURL()
		}
		u.Page, u.HLS, u.FLV = prefix+base+"/", prefix+base+"/index.m3u8", prefix+base+".flv"
	}
	if n.rtsp != nil {
		u.RTSP = n.rtspURL() + base
	}
	if n.rtmp != nil {
		u.RTMP = "rtmp://" + hostPort(n.rtmp) + base
	}
	return u
}

// jsonLine is what --json prints.
type jsonLine struct {
	Ready  bool   `json:"ready,omitempty"`
	Stream string `json:"stream,omitempty"`
	// State is that of Stream: "live" when it has begun, or "ended".
	State      string       `json:"state,omitempty"`
	PeerID     string       `json:"peerID,omitempty"`
	Link       string       `json:"link,omitempty"`
	RTMFP      string       `json:"rtmfp,omitempty"`
	RTMP       string       `json:"rtmp,omitempty"`
	PublishKey string       `json:"publishKey,omitempty"`
	HTTP       string       `json:"http,omitempty"`
	Streams    []jsonStream `json:"streams"`
}

type jsonStream struct {
	Name string `json:"name"`
	HLS  string `json:"hls,omitempty"`
	RTSP string `json:"rtsp,omitempty"`
	FLV  string `json:"flv,omitempty"`
	RTMP string `json:"rtmp,omitempty"`
}

// line describes the node with the named streams.
func (n *node) line(names []string) jsonLine {
	l := jsonLine{RTMP: n.rtmpURL(), PublishKey: n.generatedKey, HTTP: n.httpURL(), Streams: []jsonStream{}}
	if n.net != nil {
		l.PeerID, l.RTMFP = n.net.node.PeerID().String(), n.net.publicAddress()
		l.Link = n.net.linkTo(n.mainStream())
	}
	for _, name := range names {
		u := n.urls(name, true)
		l.Streams = append(l.Streams, jsonStream{Name: name, HLS: u.HLS, RTSP: u.RTSP, FLV: u.FLV, RTMP: u.RTMP})
	}
	return l
}

func (n *node) printJSON(l jsonLine) {
	text, err := json.Marshal(l)
	if err != nil {
		n.log.Error("write JSON line", "err", err)
		return
	}
	fmt.Fprintf(n.out, "%s\n", text)
}

// announce tells that the node is up: scripts by a JSON line, people by the
// addresses to use, the last of them the one to watch.
func (n *node) announce(ctx context.Context) {
	var names []string
	for _, s := range n.media.configured() {
		names = append(names, s.Name)
	}
	if n.net != nil {
		n.net.waitForIntroducer(ctx)
		for _, p := range n.net.plays {
			if !slices.Contains(names, p.path) { // a demo plays what it publishes
				names = append(names, p.path)
			}
		}
	}
	if ctx.Err() != nil {
		return // told to stop meanwhile
	}
	notify("READY=1")
	if n.loaded.JSON {
		l := n.line(names)
		l.Ready = true
		n.printJSON(l)
		return
	}
	fmt.Fprint(n.out, n.banner(names))
}

// banner is the text for people: what to use, line by line, and last what to
// watch.
func (n *node) banner(names []string) string {
	var b strings.Builder
	row := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", what, value)
		}
	}
	fmt.Fprintf(&b, "Ringcast %s\n", version())
	if n.net != nil {
		row("Peer ID", n.net.node.PeerID().String())
		row("RTMFP", n.net.publicAddress())
		for _, g := range n.net.groups() {
			row("Group", fmt.Sprintf("%s (%s…)", g.Spec().Settings().Name, g.ID()[:16]))
		}
	}
	row("Publish key", n.generatedKey)
	name := defaultStream
	if len(names) > 0 {
		name = names[0]
	}
	u := n.urls(name, true)
	n.pushRows(row, u.RTMP)
	if len(names) == 0 && n.rtmp == nil && n.rtsp == nil {
		if n.net != nil && n.network.introduce {
			row("Use it with", "ringcast publish --introducer "+n.net.publicAddress())
		}
		row("Dashboard", n.dashboard())
		return b.String()
	}
	row("RTSP", u.RTSP)
	row("HLS", u.HLS)
	row("HTTP-FLV", u.FLV)
	row("RTMP", u.RTMP)
	row("Dashboard", n.dashboard())
	if n.net != nil {
		if link := n.net.linkTo(name); link != "" {
			row("Share link", "ringcast play '"+link+"'")
		}
	}
	row("Watch", u.Page)
	return b.String()
}

// testInputs makes ffmpeg draw a test picture with a clock and play a tone, so
// that a line which is copied works without a video at hand.
const testInputs = "-re -f lavfi -i testsrc2=size=1280x720:rate=25 -f lavfi -i sine"

// pushRows tells how to push a stream to the address.
func (n *node) pushRows(row func(what, value string), address string) {
	if n.rtmp == nil || len(n.network.links) > 0 && !n.network.publish {
		return
	}
	push, what := address, "Push"
	if n.generatedKey != "" {
		push += "?key=" + n.generatedKey
	}
	if n.demo {
		what = "Replace it"
	}
	row(what, "ffmpeg "+testInputs+" -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -c:a aac -f flv '"+push+"'")
	row("", "(-re -i FILE instead of all up to sine: a video of yours)")
	row("OBS", "server "+n.rtmpURL()+"  stream key "+strings.TrimPrefix(strings.TrimPrefix(push, n.rtmpURL()), "/"))
}

func (n *node) dashboard() string {
	if n.httpURL() == "" {
		return ""
	}
	return n.httpURL() + "/"
}

// watch notices streams that begin and end, and the rate of what comes in.
type watch struct {
	known  map[string]bool
	states map[string]string // of streams from groups
	bytes  uint64
	at     time.Time // when the service manager was told last
}

// statusPeriod is how often the service manager is told.
const statusPeriod = time.Second

// step looks at the streams once and says what has changed.
func (w *watch) step(n *node) {
	now := make(map[string]bool)
	var live []string
	var bytes uint64
	for _, s := range n.Streams() {
		bytes += s.ReceivedBytes
		w.noteState(n.log, &s)
		// One whose publisher may still come back has not ended.
		if s.State == "live" || s.State == "stalled" || s.State == "waiting" && w.known[s.Name] {
			now[s.Name] = true
			live = append(live, s.Name)
		}
	}
	for _, changed := range changes(w.known, now) {
		if n.loaded.JSON {
			l := n.line(live)
			l.Stream, l.State = changed, "ended"
			if now[changed] {
				l.State = "live"
			}
			n.printJSON(l)
		}
	}
	w.known = now
	elapsed := time.Since(w.at)
	if elapsed < statusPeriod {
		return
	}
	rate := 0.0
	if !w.at.IsZero() && bytes > w.bytes {
		rate = float64(bytes-w.bytes) * 8 / 1e6 / elapsed.Seconds()
	}
	peers := ""
	if n.net != nil {
		peers = " " + countOf(n.net.neighborCount(), "peer") + ","
	}
	notify(fmt.Sprintf("STATUS=%s,%s %.1f Mbit/s in", countOf(len(live), "stream"), peers, rate))
	w.bytes, w.at = bytes, time.Now()
}

// noteState logs how a stream from a group does. Of those that are published
// here their registry tells.
func (w *watch) noteState(log *slog.Logger, s *web.StreamStatus) {
	if s.Source != sourceGroup {
		return
	}
	before := w.states[s.Name]
	if w.states == nil {
		w.states = make(map[string]string)
	}
	w.states[s.Name] = s.State
	switch {
	case before == "" || before == s.State:
	case s.State == "stalled":
		log.Warn("stream has stalled: nothing comes from the publisher", "stream", s.Name, "since", s.Since.UTC().Format(time.RFC3339))
	default:
		log.Info("stream changed state", "stream", s.Name, "state", s.State)
	}
}

// changes returns what is in one of the sets and not in the other, sorted.
func changes(before, after map[string]bool) []string {
	var names []string
	for name := range before {
		if !after[name] {
			names = append(names, name)
		}
	}
	for name := range after {
		if !before[name] {
			names = append(names, name)
		}
	}
	return sorted(names)
}
