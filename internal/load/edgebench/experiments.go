package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

var experiments = []experiment{
	{name: "E1", measure: rtspFanOut},
	{name: "E2", measure: hlsFanOut},
	{name: "E2L", measure: lowLatencyFanOut},
	{name: "E3", measure: idleMemory},
	{name: "E4", measure: firstPart},
	{name: "E5", measure: firstPacket},
	{name: "E6", measure: rtspLatency},
	{name: "E7", measure: hlsLatency},
	{name: "E9", measure: publisherRestart},
	{name: "HOPS", measure: hopPrice, network: true},
	{name: "EGRESS", measure: publisherEgress, network: true},
}

const settle = 4 * time.Second

// session is a started server with a publisher.
type session struct {
	*running
	publisher *load.Publisher
	ctx       context.Context
	cancel    context.CancelFunc
	done      chan error
}

// open starts the server and, unless told otherwise, a publisher.
func (b *bench) open(ctx context.Context, s server, publish bool) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := s.start(context.WithoutCancel(ctx), b.dir)
	if err != nil {
		cancel()
		return nil, err
	}
	se := &session{running: r, ctx: ctx, cancel: cancel, done: make(chan error, 2)}
	se.publisher = &load.Publisher{Clip: b.clip, Addr: r.rtmp, App: streamApp, Name: streamName}
	if publish {
		se.publish()
	}
	return se, nil
}

func (se *session) publish() {
	go func() { se.done <- se.publisher.Run(se.ctx) }()
}

func (se *session) close() {
	se.cancel()
	se.running.stop()
}

// cpuShare returns the share of one core that the server uses over d, in
// percent.
func (se *session) cpuShare(d time.Duration) (float64, error) {
	before, err := load.CPUTime(se.pid)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	select {
	case <-time.After(d):
	case err := <-se.done:
		return 0, fmt.Errorf("the publisher stopped: %v", err)
	case <-se.ctx.Done():
		return 0, se.ctx.Err()
	}
	after, err := load.CPUTime(se.pid)
	return 100 * float64(after-before) / float64(time.Since(start)), err
}

func (se *session) residentMB() (float64, error) {
	n, err := load.ResidentBytes(se.pid)
	return float64(n) / (1 << 20), err
}

func rtspFanOut(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, true)
	if err != nil {
		return nil, err
	}
	defer se.close()
	if err := waitForRTSP(se); err != nil {
		return nil, err
	}
	var received, failed atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer se.cancel()
	for range b.readers {
		wg.Go(func() {
			reader := load.RTSPReader{URL: se.rtspURL(), OnPacket: func(_ byte, p []byte) { received.Add(int64(len(p))) }}
			if _, err := reader.Run(se.ctx); err != nil {
				failed.Add(1)
			}
		})
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(settle)
	before := received.Load()
	share, err := se.cpuShare(b.window)
	if err != nil {
		return nil, err
	}
	mbit := float64(received.Load()-before) * 8 / 1e6 / b.window.Seconds() / float64(b.readers)
	if failed.Load() > 0 {
		return nil, fmt.Errorf("%d of %d readers failed", failed.Load(), b.readers)
	}
	rss, err := se.residentMB()
	return map[string]float64{"E1 CPU, RTSP/TCP readers (% of a core)": share, "E1 received by each reader (Mbit/s)": mbit, "E3 memory with the RTSP readers (MB)": rss}, err
}

func hlsFanOut(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	return hlsLoad(ctx, b, s, b.viewers, false, "E2 CPU, HLS viewers (% of a core)", "E3 memory with the HLS viewers (MB)")
}

func lowLatencyFanOut(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	return hlsLoad(ctx, b, s, b.lowLatency, true, "E2 CPU, low-latency viewers (% of a core)", "E3 memory with the low-latency viewers (MB)")
}

func hlsLoad(ctx context.Context, b *bench, s server, n int, lowLatency bool, cpuName, memoryName string) (map[string]float64, error) {
	se, err := b.open(ctx, s, true)
	if err != nil {
		return nil, err
	}
	defer se.close()
	if err := waitForHLS(se, 30*time.Second); err != nil {
		return nil, err
	}
	client := load.NewHLSClient(n)
	defer client.CloseIdleConnections()
	viewers := make([]*load.HLSViewer, n)
	var failed atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer se.cancel()
	for i := range viewers {
		viewers[i] = &load.HLSViewer{URL: se.hls, LowLatency: lowLatency, Client: client}
		wg.Go(func() {
			if err := viewers[i].Run(se.ctx); err != nil {
				failed.Add(1)
			}
		})
		time.Sleep(2 * time.Second / time.Duration(n))
	}
	time.Sleep(2 * settle)
	media := func() (sum, bad int64) {
		for _, v := range viewers {
			sum, bad = sum+v.Media.Load(), bad+v.Failed.Load()
		}
		return sum, bad
	}
	before, _ := media()
	share, err := se.cpuShare(b.window)
	if err != nil {
		return nil, err
	}
	after, bad := media()
	rss, err := se.residentMB()
	rate := float64(after-before) / b.window.Seconds() / float64(n)
	return map[string]float64{
		cpuName: share, memoryName: rss,
		cpuName[:2] + map[bool]string{false: " segments", true: " parts"}[lowLatency] + " for each viewer (1/s)":    rate,
		cpuName[:2] + map[bool]string{false: "", true: " low-latency"}[lowLatency] + " failed viewers and requests": float64(failed.Load() + bad),
	}, err
}

func idleMemory(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, false)
	if err != nil {
		return nil, err
	}
	defer se.close()
	time.Sleep(time.Second)
	rss, err := se.residentMB()
	return map[string]float64{"E3 memory idle (MB)": rss}, err
}

// firstPart measures from the first key frame's departure to a part, or
// segment, that a player could show.
func firstPart(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, true)
	if err != nil {
		return nil, err
	}
	defer se.close()
	ctx, cancel := context.WithTimeout(se.ctx, 30*time.Second)
	defer cancel()
	var at time.Time
	for ctx.Err() == nil && at.IsZero() {
		viewer := load.HLSViewer{URL: se.hls, LowLatency: true}
		one, stop := context.WithCancel(ctx)
		viewer.OnMedia = func(_ string, _ []byte, when time.Time) { at = when; stop() }
		_ = viewer.Run(one)
		stop()
		time.Sleep(5 * time.Millisecond)
	}
	if at.IsZero() {
		return nil, errors.New("no part within 30 s")
	}
	_, key := se.publisher.First()
	start := time.Now()
	second := load.HLSViewer{URL: se.hls, LowLatency: true}
	one, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	second.OnMedia = func(string, []byte, time.Time) { stop() }
	_ = second.Run(one)
	return map[string]float64{
		"E4 key frame sent to first part (s)":  at.Sub(key).Seconds(),
		"E4 first part of a second viewer (s)": time.Since(start).Seconds(),
	}, nil
}

// firstPacket measures what a reader waits for: at the stream's start from the
// publisher's connection to the first packet, later from its own connection
// to the first video packet of a key frame.
func firstPacket(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, true)
	if err != nil {
		return nil, err
	}
	defer se.close()
	ctx, cancel := context.WithTimeout(se.ctx, 20*time.Second)
	defer cancel()
	var first time.Time
	for ctx.Err() == nil && first.IsZero() {
		one, stop := context.WithCancel(ctx)
		reader := load.RTSPReader{URL: se.rtspURL(), OnPacket: func(channel byte, _ []byte) {
			if channel%2 == 0 {
				first = time.Now()
				stop()
			}
		}}
		_, _ = reader.Run(one)
		stop()
		time.Sleep(2 * time.Millisecond)
	}
	connected, _ := se.publisher.First()
	time.Sleep(2300 * time.Millisecond) // into the middle of a group of pictures
	start := time.Now()
	var key time.Time
	one, stop := context.WithCancel(ctx)
	defer stop()
	late := load.RTSPReader{URL: se.rtspURL(), OnPacket: func(channel byte, p []byte) {
		if channel%2 == 0 && key.IsZero() && isH264Key(p) {
			key = time.Now()
			stop()
		}
	}}
	_, _ = late.Run(one)
	if first.IsZero() || key.IsZero() {
		return nil, errors.New("no packet, or no key frame, within 20 s")
	}
	return map[string]float64{
		"E5 first byte pushed to first RTSP packet (s)":  first.Sub(connected).Seconds(),
		"E5 late reader's connection to a key frame (s)": key.Sub(start).Seconds(),
	}, nil
}

// isH264Key reports whether an RTP packet begins an IDR slice.
func isH264Key(p []byte) bool {
	if len(p) < 14 {
		return false
	}
	header := 12 + 4*int(p[0]&15)
	if len(p) < header+2 {
		return false
	}
	switch kind := p[header] & 31; kind {
	case 28:
		return p[header+1]&31 == 5
	default:
		return kind == 5
	}
}

func rtspLatency(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, true)
	if err != nil {
		return nil, err
	}
	defer se.close()
	if err := waitForRTSP(se); err != nil {
		return nil, err
	}
	latency := &load.Latency{Origin: se.publisher}
	reader := load.RTSPReader{URL: se.rtspURL(), OnPacket: func(_ byte, p []byte) { latency.Packet(p) }}
	one, stop := context.WithTimeout(se.ctx, b.window+2*time.Second)
	defer stop()
	time.AfterFunc(2*time.Second, latency.Reset) // without the backlog at the start
	if _, err := reader.Run(one); err != nil {
		return nil, err
	}
	n, q := latency.Quantiles(0.5, 0.99)
	if n == 0 {
		return nil, errors.New("no frame was recognized")
	}
	return map[string]float64{"E6 RTSP latency p50 (ms)": ms(q[0]), "E6 RTSP latency p99 (ms)": ms(q[1])}, nil
}

func hlsLatency(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, true)
	if err != nil {
		return nil, err
	}
	defer se.close()
	if err := waitForHLS(se, 30*time.Second); err != nil {
		return nil, err
	}
	latency := &load.Latency{Origin: se.publisher}
	viewer := load.HLSViewer{URL: se.hls, LowLatency: true, OnMedia: func(_ string, body []byte, at time.Time) { latency.Media(body, at) }}
	one, stop := context.WithTimeout(se.ctx, b.window+4*time.Second)
	defer stop()
	time.AfterFunc(4*time.Second, latency.Reset)
	if err := viewer.Run(one); err != nil {
		return nil, err
	}
	n, q := latency.Quantiles(0.5, 0.99, 1)
	if n == 0 {
		return nil, errors.New("no frame was recognized")
	}
	return map[string]float64{"E7 low-latency HLS arrival p50 (ms)": ms(q[0]), "E7 low-latency HLS arrival, slowest (ms)": ms(q[2])}, nil
}

// publisherRestart stops the publisher and starts it again half a second
// later, and looks at what a reader saw.
func publisherRestart(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	se, err := b.open(ctx, s, false)
	if err != nil {
		return nil, err
	}
	defer se.close()
	first, stopFirst := context.WithCancel(se.ctx)
	defer stopFirst()
	go func() { _ = se.publisher.Run(first) }()
	if err := waitForRTSP(se); err != nil {
		return nil, err
	}
	one, stop := context.WithTimeout(se.ctx, 12*time.Second)
	defer stop()
	var last time.Time
	var longest time.Duration
	reader := load.RTSPReader{URL: se.rtspURL(), OnPacket: func(channel byte, p []byte) {
		if channel%2 != 0 {
			return
		}
		if now := time.Now(); !last.IsZero() {
			longest = max(longest, now.Sub(last))
		}
		last = time.Now()
	}}
	time.AfterFunc(4*time.Second, stopFirst)
	time.AfterFunc(4500*time.Millisecond, func() {
		second := &load.Publisher{Clip: b.clip, Addr: se.rtmp, App: streamApp, Name: streamName}
		_ = second.Run(one)
	})
	_, err = reader.Run(one)
	if err != nil || time.Since(last) > 2*time.Second {
		return map[string]float64{"E9 reader kept over a publisher's restart (1 = yes)": 0, "E9 longest gap with 0.5 s outage (s)": math.Inf(1)}, nil
	}
	return map[string]float64{"E9 reader kept over a publisher's restart (1 = yes)": 1, "E9 longest gap with 0.5 s outage (s)": longest.Seconds()}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// waitForRTSP waits until the stream can be read by RTSP.
func waitForRTSP(se *session) error {
	ctx, cancel := context.WithTimeout(se.ctx, 20*time.Second)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		one, stop := context.WithCancel(ctx)
		got := false
		reader := load.RTSPReader{URL: se.rtspURL(), OnPacket: func(byte, []byte) { got = true; stop() }}
		_, err = reader.Run(one)
		stop()
		if got {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the stream can't be read by RTSP within 20 s: %v", err)
}

// waitForHLS waits until the multivariant playlist is there.
func waitForHLS(se *session, within time.Duration) error {
	deadline := time.Now().Add(within)
	for time.Now().Before(deadline) {
		resp, err := http.Get(se.hls)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("no playlist at %s within %v", se.hls, within)
}
