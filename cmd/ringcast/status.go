package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ringcast/ringcast/playout/web"
)

// The node is what the web server asks about the state of things.
var _ web.Backend = (*node)(nil)

// Node describes the node.
func (n *node) Node() web.NodeStatus {
	s := web.NodeStatus{Version: version(), Started: n.started, Listeners: make(map[string]string), RTMP: n.rtmpURL(), RTSP: n.rtspURL()}
	if n.rtmp != nil {
		s.Listeners["rtmp"] = n.rtmp.Addr().String()
	}
	if n.rtmps != nil {
		s.Listeners["rtmps"] = n.rtmps.Addr().String()
	}
	if n.rtsp != nil {
		s.Listeners["rtsp"] = n.rtsp.Addr().String()
	}
	if n.http != nil {
		s.Listeners["http"] = n.http.Addr().String()
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
	if n.http == nil {
		return ""
	}
	return "http://" + hostPort(n.http)
}

// urls returns the addresses of a stream; absolute ones name the node's HTTP
// address.
func (n *node) urls(name string, absolute bool) web.URLs {
	base := (&url.URL{Path: "/" + name}).EscapedPath()
	u := web.URLs{}
	if n.http != nil {
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
	Ready      bool         `json:"ready,omitempty"`
	Stream     string       `json:"stream,omitempty"`
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
			names = append(names, p.path)
		}
	}
	notify("READY=1")
	if n.json {
		l := n.line(names)
		l.Ready = true
		n.printJSON(l)
		return
	}
	name := defaultStream
	if len(names) > 0 {
		name = names[0]
	}
	fmt.Fprint(n.out, n.banner(name))
}

// banner is the text for people.
func (n *node) banner(name string) string {
	var b strings.Builder
	row := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", what, value)
		}
	}
	u := n.urls(name, true)
	push := u.RTMP
	if n.generatedKey != "" {
		push += "?key=" + n.generatedKey
	}
	fmt.Fprintf(&b, "Ringcast %s\n", version())
	if n.net != nil {
		row("Peer ID", n.net.node.PeerID().String())
		row("RTMFP", n.net.publicAddress())
	}
	row("Publish key", n.generatedKey)
	if n.rtmp != nil {
		what := "Push"
		if n.demo {
			what = "Replace it"
		}
		row(what, "ffmpeg -re -i video.mp4 -c:v libx264 -g 50 -c:a aac -f flv '"+push+"'")
		row("OBS", "server "+n.rtmpURL()+"  stream key "+strings.TrimPrefix(strings.TrimPrefix(push, n.rtmpURL()), "/"))
	}
	row("RTSP", u.RTSP)
	row("HLS", u.HLS)
	row("HTTP-FLV", u.FLV)
	row("RTMP", u.RTMP)
	if n.http != nil {
		row("Dashboard", n.httpURL()+"/")
	}
	if n.net != nil {
		if link := n.net.linkTo(name); link != "" {
			row("Share link", "ringcast play '"+link+"'")
		}
	}
	row("Watch", u.Page)
	return b.String()
}

// watch notices streams that begin and end, and the rate of what comes in.
type watch struct {
	known map[string]bool
	bytes uint64
	at    time.Time
}

// step looks at the streams once. With tell it says what has changed.
func (w *watch) step(n *node, tell bool) {
	streams := n.Streams()
	now := make(map[string]bool)
	var live []string
	var bytes uint64
	for _, s := range streams {
		bytes += s.ReceivedBytes
		if s.State == "live" || s.State == "stalled" {
			now[s.Name] = true
			live = append(live, s.Name)
		}
	}
	for _, changed := range changes(w.known, now) {
		if tell && n.json {
			l := n.line(live)
			l.Stream = changed
			n.printJSON(l)
		}
	}
	if tell {
		rate := 0.0
		if elapsed := time.Since(w.at).Seconds(); elapsed > 0 && bytes > w.bytes {
			rate = float64(bytes-w.bytes) * 8 / 1e6 / elapsed
		}
		peers := ""
		if n.net != nil {
			peers = fmt.Sprintf(" %d peers,", n.net.neighborCount())
		}
		notify(fmt.Sprintf("STATUS=%d streams,%s %.1f Mbit/s in", len(live), peers, rate))
	}
	w.known, w.bytes, w.at = now, bytes, time.Now()
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
