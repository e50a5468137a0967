package nettest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

// delays measures how much later than at the publisher frames leave viewers'
// nodes, by RTSP and by low-latency HLS.
type delays struct {
	tap       load.Tap
	rtsp, hls []*load.Latency
	running   sync.WaitGroup
	stop      context.CancelFunc
}

// measureDelays attaches a reader to the publisher, whose own part is E6's
// fraction of a millisecond, and two players to each of some viewers.
func measureDelays(t *testing.T, publisher *node, viewers []*node) *delays {
	ctx, cancel := context.WithCancel(t.Context())
	d := &delays{stop: cancel}
	d.play(ctx, publisher, d.tap.Packet)
	for _, v := range viewers {
		byRTSP, byHLS := &load.Latency{Origin: &d.tap}, &load.Latency{Origin: &d.tap}
		d.rtsp, d.hls = append(d.rtsp, byRTSP), append(d.hls, byHLS)
		d.play(ctx, v, byRTSP.Packet)
		d.running.Go(func() {
			if !v.waitPlaylist(ctx) {
				return
			}
			viewer := load.HLSViewer{
				URL: v.HTTP + playlistPath, LowLatency: true, Client: &http.Client{Transport: v.client.Transport},
				OnMedia: func(_ string, body []byte, at time.Time) { byHLS.Media(body, at) },
			}
			_ = viewer.Run(ctx) // it ends with the stream
		})
	}
	return d
}

// play reads the video of a node by RTSP.
func (d *delays) play(ctx context.Context, n *node, packet func([]byte)) {
	d.running.Go(func() {
		reader := load.RTSPReader{URL: n.rtspURL(), Dial: n.dial, OnPacket: func(channel byte, p []byte) {
			if channel == 0 {
				packet(p)
			}
		}}
		_, _ = reader.Run(ctx) // it ends with the stream
	})
}

// report prints the delays of all viewers together.
func (d *delays) report(t *testing.T) {
	t.Helper()
	d.stop()
	d.running.Wait()
	for _, kind := range []struct {
		name string
		all  []*load.Latency
	}{{"RTSP", d.rtsp}, {"low-latency HLS", d.hls}} {
		var p50, p99 []time.Duration
		frames := 0
		for _, l := range kind.all {
			n, q := l.Quantiles(0.5, 0.99)
			frames += n
			p50, p99 = append(p50, q[0]), append(p99, q[1])
		}
		if frames == 0 {
			t.Errorf("%s: no frame of the publisher's was recognized", kind.name)
			continue
		}
		t.Logf("publisher to viewer by %s, %d frames at %d viewers: p50 %s, p99 %s", kind.name, frames, len(kind.all), between(p50), between(p99))
	}
}

// between prints the middle of some durations, with least and largest.
func between(d []time.Duration) string {
	d = slices.Sorted(slices.Values(d))
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f", d.Seconds()*1e3) }
	return fmt.Sprintf("%s (%s to %s) ms", ms(d[len(d)/2]), ms(d[0]), ms(d[len(d)-1]))
}

const playlistPath = "/live/cam/index.m3u8"

func (n *node) rtspURL() string {
	for _, s := range n.Streams {
		if s.RTSP != "" {
			return s.RTSP
		}
	}
	return ""
}

// waitPlaylist waits until the node serves its stream as HLS.
func (n *node) waitPlaylist(ctx context.Context) bool {
	for ctx.Err() == nil {
		if resp, err := n.client.Get(n.HTTP + playlistPath); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

// firstFrame returns how long after its start a program's first video frame
// came out by RTSP. It asks again until the program listens.
func (n *node) firstFrame(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var first time.Duration
	var err error
	for first == 0 && ctx.Err() == nil {
		one, stop := context.WithCancel(ctx)
		reader := load.RTSPReader{URL: "rtsp://127.0.0.1:8554/live/cam", Dial: n.dial, OnPacket: func(channel byte, p []byte) {
			if channel == 0 && first == 0 && len(p) > 1 && p[1]&0x80 != 0 {
				first = time.Since(n.started)
				stop()
			}
		}}
		_, err = reader.Run(one)
		stop()
		time.Sleep(5 * time.Millisecond)
	}
	if first == 0 {
		return 0, fmt.Errorf("no frame within 20 s: %v", err)
	}
	return first, nil
}
