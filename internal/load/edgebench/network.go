package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

// hopPrice measures the RTSP latency at the publisher and at each node of a
// chain behind it, at the same time.
func hopPrice(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	const hops = 3
	n, nodes, err := openChain(context.WithoutCancel(ctx), b.dir, s.binary, hops)
	if err != nil {
		return nil, err
	}
	defer n.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	publisher := &load.Publisher{Clip: b.clip, Addr: n.publisher.rtmp, App: streamApp, Name: streamName}
	go func() { _ = publisher.Run(ctx) }()
	for _, node := range nodes {
		if err := waitForRTSP(&session{running: node, ctx: ctx}); err != nil {
			return nil, err
		}
	}
	one, stop := context.WithTimeout(ctx, b.window+2*time.Second)
	defer stop()
	var group sync.WaitGroup
	latencies := make([]*load.Latency, len(nodes))
	for hop, node := range nodes {
		latencies[hop] = &load.Latency{Origin: publisher}
		group.Go(func() {
			reader := load.RTSPReader{URL: node.rtspURL(), OnPacket: func(_ byte, p []byte) { latencies[hop].Packet(p) }}
			_, _ = reader.Run(one) // an early end shows in the count
		})
		time.AfterFunc(2*time.Second, latencies[hop].Reset)
	}
	group.Wait()
	figures := make(map[string]float64)
	for hop, l := range latencies {
		count, q := l.Quantiles(0.5, 0.99)
		if want := int(b.window.Seconds() * 25); count < want*9/10 {
			return nil, fmt.Errorf("%d of %d frames came at hop %d", count, want, hop)
		}
		figures[fmt.Sprintf("hop %d RTSP latency p50 (ms)", hop)] = ms(q[0])
		figures[fmt.Sprintf("hop %d RTSP latency p99 (ms)", hop)] = ms(q[1])
	}
	return figures, nil
}

// egressViewers are the audiences for which the publisher's upload is measured.
var egressViewers = []int{1, 10, 50}

// publisherEgress measures what the publisher sends while viewers' nodes pass
// the stream on to each other.
func publisherEgress(ctx context.Context, b *bench, s server) (map[string]float64, error) {
	figures := make(map[string]float64)
	for _, viewers := range egressViewers {
		times, arrived, err := b.egressWith(ctx, s, viewers)
		if err != nil {
			return nil, fmt.Errorf("%d viewers: %w", viewers, err)
		}
		figures[fmt.Sprintf("publisher sends, %2d viewers (× the stream)", viewers)] = times
		figures[fmt.Sprintf("publisher sends, %2d viewers: arrives (%%)", viewers)] = arrived
	}
	return figures, nil
}

func (b *bench) egressWith(ctx context.Context, s server, viewers int) (times, arrived float64, err error) {
	n, err := openNetwork(context.WithoutCancel(ctx), b.dir, s.binary)
	if err != nil {
		return 0, 0, err
	}
	defer n.stop()
	var nodes []*running
	for i := range viewers {
		v, err := n.join(context.WithoutCancel(ctx), b.dir, s.binary, elsewhere(i))
		if err != nil {
			return 0, 0, err
		}
		nodes = append(nodes, v)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	publisher := &load.Publisher{Clip: b.clip, Addr: n.publisher.rtmp, App: streamApp, Name: streamName}
	go func() { _ = publisher.Run(ctx) }()
	time.Sleep(2*time.Second + settle) // until the trees stand
	before, media, err := b.sentAndReceived(ctx, n.publisher, nodes)
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(b.window)
	after, mediaAfter, err := b.sentAndReceived(ctx, n.publisher, nodes)
	if err != nil {
		return 0, 0, err
	}
	stream := mediaAfter[0] - media[0]
	sum := 0.0
	for i := range nodes {
		sum += mediaAfter[1+i] - media[1+i]
	}
	return (after - before) / stream, 100 * sum / stream / float64(viewers), nil
}

// sentAndReceived returns what the publisher has sent, and how many bytes of
// the stream it and the viewers have got.
func (b *bench) sentAndReceived(ctx context.Context, publisher *running, viewers []*running) (sent float64, received []float64, err error) {
	count, err := egress(ctx)
	if err != nil {
		return 0, nil, err
	}
	for _, r := range append([]*running{publisher}, viewers...) {
		bytes, err := r.receivedBytes()
		if err != nil {
			return 0, nil, err
		}
		received = append(received, bytes)
	}
	return float64(count), received, nil
}

// receivedBytes asks a node how much of its stream has come.
func (r *running) receivedBytes() (float64, error) {
	resp, err := http.Get("http://" + r.http + "/api/v1/streams")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var page struct {
		Items []struct{ ReceivedBytes float64 }
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return 0, err
	}
	if len(page.Items) != 1 {
		return 0, fmt.Errorf("%d streams at %s", len(page.Items), r.http)
	}
	return page.Items[0].ReceivedBytes, nil
}
