package rtsp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/ingest"
)

// Source pulls a stream from an RTSP server or camera, over UDP if that works
// and over TCP if not.
type Source struct {
	// URL may have a user and a password.
	URL string
	// TCP asks for TCP at once.
	TCP bool
}

var _ ingest.Source = Source{}

// silence is how long a server may send nothing.
const silence = 10 * time.Second

// Run plays the stream until it breaks or ctx is done.
func (s Source) Run(ctx context.Context, sink ingest.Sink) error {
	u, err := base.ParseURL(s.URL)
	if err != nil {
		return fmt.Errorf("rtsp url: %w", err)
	}
	client := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, ReadTimeout: silence, WriteTimeout: silence}
	if s.TCP {
		tcp := gortsplib.TransportTCP
		client.Transport = &tcp
	}
	if err := client.Start2(); err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Close)
	defer stop()
	desc, _, err := client.Describe(u)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	r, err := newReceiver(desc, sink)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var failure error
	for m, t := range r.tracks {
		if _, err := client.Setup(desc.BaseURL, m, 0, 0); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
		client.OnPacketRTP(m, t.format, func(p *rtp.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if err := r.packet(m, p); err != nil && failure == nil {
				failure = err
				go client.Close() // it waits for this callback
			}
		})
		client.OnPacketRTCP(m, func(p rtcp.Packet) {
			if sr, ok := p.(*rtcp.SenderReport); ok {
				mu.Lock()
				defer mu.Unlock()
				r.report(m, sr)
			}
		})
	}
	if _, err := client.Play(nil); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	err = client.Wait()
	mu.Lock()
	defer mu.Unlock()
	r.finish()
	switch {
	case failure != nil:
		return failure
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return errors.New("the server closed the connection")
	}
	return err
}
