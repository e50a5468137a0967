package rtmp

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// Player serves streams to clients that play.
type Player interface {
	// Play joins a stream by its canonical path. It waits a while for one
	// that has not begun, and then returns an error.
	Play(ctx context.Context, path string) (Viewer, error)
}

// Viewer is one client's hold on a stream that it plays.
type Viewer interface {
	// Next appends the messages that have come since the last call to dst
	// and waits until there are some. It returns io.EOF after the stream's
	// end. A viewer that is slow loses messages; it never slows the stream.
	Next(ctx context.Context, dst []packager.Message) ([]packager.Message, error)
	// Select says which of audio and video are wanted from now on.
	Select(audio, video bool)
	// Close leaves the stream.
	Close()
}

// playing is the part of a session that plays: a goroutine that sends, which
// the session's own one starts and stops.
type playing struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	stream uint32

	mu     sync.Mutex
	viewer Viewer // nil until the stream is there
	// What the client wants.
	paused, noAudio, noVideo bool
}

// play begins to play a stream. Whether it exists shows later, since it may
// have to be waited for.
func (s *session) play(c command) error {
	if !s.connected {
		return errCommand
	}
	if s.server.player == nil {
		return s.refuse(c.stream, "NetStream.Play.Failed", "this node does not play by RTMP")
	}
	if len(c.arguments) > 1 && c.arguments[1].Kind == amf0.KindBool {
		return s.stopPlaying() // play(false) is how Flash stops
	}
	if s.publication != nil || s.playing != nil {
		return s.refuse(c.stream, "NetStream.Play.Failed", "the connection has a stream already")
	}
	path, _, err := streamPath(s.app, s.tcURL, c.text(1))
	if err != nil {
		return s.refuse(c.stream, "NetStream.Play.StreamNotFound", "the stream name is impossible")
	}
	ctx, cancel := context.WithCancel(s.ctx)
	p := &playing{stop: cancel, stream: c.stream}
	s.playing = p
	s.input.perRead.Store(int64(silence))
	s.inUse.Store(true)
	p.done.Go(func() {
		if err := s.sendStream(ctx, p, path); err != nil && ctx.Err() == nil {
			s.server.log.Debug("viewer left", "stream", path, "addr", s.conn.RemoteAddr().String(), "err", err)
		}
		if ctx.Err() == nil {
			_ = s.conn.Close() // nothing more to say
		}
	})
	return nil
}

// sendStream sends a stream to the client until it ends or the client leaves.
func (s *session) sendStream(ctx context.Context, p *playing, path string) error {
	viewer, err := s.server.player.Play(ctx, path)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return s.refuse(p.stream, "NetStream.Play.StreamNotFound", "there is no stream "+path)
	}
	defer viewer.Close()
	p.attach(viewer)
	err = s.writer.write(
		userControl(eventStreamBegin, p.stream),
		status(p.stream, "status", "NetStream.Play.Reset", "playing and resetting "+path),
		status(p.stream, "status", "NetStream.Play.Start", path+" is played"),
		data(p.stream, amf0.String("|RtmpSampleAccess"), amf0.Bool(true), amf0.Bool(true)),
		data(p.stream, amf0.String("onStatus"), amf0.Object(amf0.Property{Name: "code", Value: amf0.String("NetStream.Data.Start")})))
	var batch []packager.Message
	for err == nil {
		if batch, err = viewer.Next(ctx, batch[:0]); err == nil {
			err = s.writer.writeMedia(p.stream, batch)
		}
		clear(batch) // let go of the payloads
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	err = s.writer.write(
		userControl(eventStreamEOF, p.stream),
		status(p.stream, "status", "NetStream.Play.UnpublishNotify", path+" has ended"),
		status(p.stream, "status", "NetStream.Play.Stop", path+" has ended"))
	s.wait(ctx)
	return err
}

// attach makes known what the client has asked for meanwhile.
func (p *playing) attach(v Viewer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.viewer = v
	p.choose()
}

// choose is called with the lock held.
func (p *playing) choose() {
	if p.viewer != nil {
		p.viewer.Select(!p.paused && !p.noAudio, !p.paused && !p.noVideo)
	}
}

// stopPlaying leaves the stream that the client plays, if there is one.
func (s *session) stopPlaying() error {
	p := s.playing
	if p == nil {
		return nil
	}
	s.playing = nil
	p.stop()
	p.done.Wait()
	return nil
}

// control handles what a client says of the stream that it plays.
func (s *session) control(c command) error {
	p := s.playing
	if p == nil || len(c.arguments) < 2 || c.arguments[1].Kind != amf0.KindBool {
		return nil
	}
	on := c.arguments[1].Bool
	p.mu.Lock()
	switch c.name {
	case "pause", "pauseRaw":
		p.paused = on
	case "receiveAudio":
		p.noAudio = !on
	case "receiveVideo":
		p.noVideo = !on
	}
	p.choose()
	p.mu.Unlock()
	switch {
	case c.name != "pause":
		return nil
	case on:
		return s.writer.write(status(c.stream, "status", "NetStream.Pause.Notify", "paused"))
	}
	return s.writer.write(status(c.stream, "status", "NetStream.Unpause.Notify", "goes on"))
}
