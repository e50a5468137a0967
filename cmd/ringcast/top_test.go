package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/playout/web"
)

func TestTopRenders(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before := &topView{at: at, streams: []web.StreamStatus{{Name: "live/cam", ReceivedBytes: 1000}}}
	v := &topView{
		at:   at.Add(time.Second),
		node: web.NodeStatus{Version: "1", PeerID: strings.Repeat("ab", 32), Started: time.Now(), Seen: []string{"192.0.2.1:4000"}},
		streams: []web.StreamStatus{
			{Name: "live/cam", State: "live", ReceivedBytes: 126_000, Viewers: map[string]int{"hls": 2, "rtsp": 1}},
			{Name: "live/net", State: "live", Multicast: &web.MulticastStatus{FragmentsPushedFromPeers: 75, FragmentsRequestedFromPeers: 25, WindowFill: 1, Holes: 3, Delay: 0.25}},
		},
		groups: []web.GroupStatus{{ID: "g", Name: "town", EstimatedMembers: 12, NeighborCount: 1, Introducers: []web.IntroducerStatus{{Up: true}, {}}}},
		neighbors: map[string][]web.NeighborStatus{"g": {{
			PeerID: strings.Repeat("cd", 32), Remote: "192.0.2.2:1935", Side: -1, RTT: 12.5, Suspect: true,
			Streams: []web.LinkSlices{{From: []int{0, 7}, To: []int{3}}},
		}}},
	}
	got := v.render(before, 200)
	for _, want := range []string{
		"seen as 192.0.2.1:4000", "live/cam", "1000", "75.0", "25.0", "100.0%", "0.25s", "about 12 members", "introducers 1 of 2",
		"cdcdcdcdcdcdcdcd", "-1", "12.5", "0......7", "...3....", "suspect",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	v.groups[0].Introducers, v.node.Seen = nil, nil
	if got := v.render(before, 200); strings.Contains(got, "introducers") || strings.Contains(got, "seen as") {
		t.Errorf("what is not known is in:\n%s", got)
	}
	for _, l := range strings.Split(v.render(before, 40), "\n") {
		if len([]rune(l)) > 40 {
			t.Errorf("line is wider than the terminal: %q", l)
		}
	}
}

func TestScreenWithoutASize(t *testing.T) {
	for _, c := range []struct {
		width, height int
		err           error
		want          [2]int
	}{{100, 30, nil, [2]int{100, 30}}, {0, 0, nil, [2]int{80, 24}}, {100, 1, nil, [2]int{80, 24}}, {100, 30, errors.New("no terminal"), [2]int{80, 24}}} {
		if w, h := screenSize(c.width, c.height, c.err); [2]int{w, h} != c.want {
			t.Errorf("screenSize(%d, %d, %v) = %d, %d, want %v", c.width, c.height, c.err, w, h, c.want)
		}
	}
}
