package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
)

func newRTMFPDialCommand(o *rtmfpOptions) *cobra.Command {
	var publish string
	var duration time.Duration
	cmd := &cobra.Command{
		Use:     "dial rtmfp://host/app#stream",
		Example: "  ringcast rtmfp dial 'rtmfp://192.0.2.7/live#stream'\n  ringcast rtmfp dial --publish talk.flv 'rtmfp://192.0.2.7/live#stream'",
		Short:   "Connect to a server as a client, and play or publish a stream",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseRTMFPTarget(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if t.uri == "" {
				return usageError(errors.New("dial wants a server: rtmfp://host/app#stream"))
			}
			ctx := cmd.Context()
			if duration > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, duration)
				defer cancel()
			}
			d := &rtmfpDial{out: cmd.OutOrStdout(), name: t.stream, publish: publish != "", ended: make(chan error, 1), started: make(chan *netconnection.Stream, 1)}
			return d.run(ctx, o, t, publish)
		},
	}
	cmd.Flags().StringVar(&publish, "publish", "", "publish this FLV `file` in real time instead of playing")
	cmd.Flags().DurationVar(&duration, "time", 0, "end after this time; 0 goes on until interrupted")
	return cmd
}

// rtmfpDial is a client of a server. Its handlers run under the driver's
// mutex.
type rtmfpDial struct {
	out     io.Writer
	client  *netconnection.Client
	name    string
	publish bool
	video   int
	audio   int
	data    int
	bytes   int
	ended   chan error
	started chan *netconnection.Stream // publishing may begin
}

func (d *rtmfpDial) run(ctx context.Context, o *rtmfpOptions, t rtmfpTarget, file string) error {
	n, err := o.start(context.WithoutCancel(ctx), false, func(now rtmfp.Instant, e rtmfp.Event) {
		if d.client != nil {
			d.client.HandleEvent(now, e)
		}
	})
	if err != nil {
		return err
	}
	defer n.stop()
	if stopped := n.driver.Do(func(now rtmfp.Instant) {
		n.after = d.react
		d.client, err = netconnection.NewClient(now, n.Endpoint, netconnection.ClientConfig{
			EPD: t.epd, Candidates: t.candidates, URL: t.uri, App: t.app,
		})
	}); stopped != nil || err != nil {
		return errors.Join(stopped, err)
	}
	if file != "" {
		select {
		case s := <-d.started:
			err = d.publishFile(ctx, n, s, file)
		case err = <-d.ended:
		case <-ctx.Done():
		}
	} else {
		select {
		case err = <-d.ended:
		case <-ctx.Done():
		}
	}
	_ = n.driver.Do(func(now rtmfp.Instant) {
		fmt.Fprintf(d.out, "video %d audio %d data %d bytes %d\n", d.video, d.audio, d.data, d.bytes)
		d.client.Session().Abort(now)
	})
	return err
}

// react takes the client's events.
func (d *rtmfpDial) react(now rtmfp.Instant) bool {
	any := false
	for d.client != nil {
		e, ok := d.client.PollEvent()
		if !ok {
			break
		}
		any = true
		d.handle(now, e)
	}
	return any
}

func (d *rtmfpDial) end(err error) {
	select {
	case d.ended <- err:
	default:
	}
}

func (d *rtmfpDial) handle(now rtmfp.Instant, e netconnection.ClientEvent) {
	if e.Code != "" {
		fmt.Fprintln(d.out, e.Code)
	}
	switch e.Kind {
	case netconnection.Connected:
		fmt.Fprintf(d.out, "session with %x, %s\n", d.client.Session().Far().Fingerprint, d.client.Session().Describe())
		if d.name != "" {
			_, _ = d.client.CreateStream(now)
		}
	case netconnection.Rejected:
		d.end(&statusError{exitAddress, fmt.Errorf("not connected: %s %v", e.Code, e.Err)})
	case netconnection.Disconnected:
		d.end(&statusError{exitAddress, fmt.Errorf("disconnected: %v", e.Err)})
	case netconnection.StreamReady:
		if d.publish {
			_ = e.Stream.Publish(now, d.name)
		} else {
			_ = e.Stream.Play(now, d.name)
		}
	case netconnection.Status:
		if e.Code == "NetStream.Publish.Start" && d.publish {
			select {
			case d.started <- e.Stream:
			default:
			}
		}
	case netconnection.MessageArrived:
		d.bytes += len(e.Message.Payload)
		switch e.Message.Type {
		case netconnection.TypeVideo:
			d.video++
		case netconnection.TypeAudio:
			d.audio++
		default:
			d.data++
		}
	}
}

// maxTag bounds a tag of a file that is published.
const maxTag = 16 << 20

// publishFile sends the tags of an FLV file when their time has come.
func (d *rtmfpDial) publishFile(ctx context.Context, n *rtmfpNode, s *netconnection.Stream, name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read file to publish: %w", err)
	}
	if len(b) < 13 || string(b[:3]) != "FLV" {
		return usageError(fmt.Errorf("%s is no FLV file", name))
	}
	start := time.Now()
	for b = b[min(int(binary.BigEndian.Uint32(b[5:]))+4, len(b)):]; len(b) >= 15; {
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if size > maxTag || len(b) < 15+size {
			break
		}
		at := uint32(b[7])<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6])
		m := netconnection.Message{Type: b[0] & 0x1f, Timestamp: at, Payload: b[11 : 11+size]}
		b = b[15+size:]
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.ended:
			return err
		case <-time.After(time.Until(start.Add(time.Duration(at) * time.Millisecond))):
		}
		if err := n.driver.Do(func(now rtmfp.Instant) { err = s.Write(now, m, nil) }); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		d.count(m)
	}
	time.Sleep(500 * time.Millisecond) // the last messages are on their way
	return nil
}

func (d *rtmfpDial) count(m netconnection.Message) {
	d.bytes += len(m.Payload)
	switch m.Type {
	case netconnection.TypeVideo:
		d.video++
	case netconnection.TypeAudio:
		d.audio++
	default:
		d.data++
	}
}
