package flv

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// Errors of [Server.Play].
var (
	// ErrNoStream means that no such stream began while the player waited.
	ErrNoStream = errors.New("no such stream")
	// ErrTooMany means that the stream has as many viewers as it may have.
	ErrTooMany = errors.New("too many viewers")
)

// Play is a viewer by another protocol, which puts the same tags into a framing
// of its own: RTMP. It is used from one goroutine, but for Close and Select.
type Play struct {
	stream *stream
	viewer *viewer
	batch  []tag
}

// Play joins a stream. If it has not begun, Play waits for it, at most as long
// as given.
func (s *Server) Play(ctx context.Context, path string, wait time.Duration) (*Play, error) {
	st, err := s.await(ctx, path, wait)
	if err != nil {
		return nil, err
	}
	v := newViewer()
	v.played = true
	if err := st.join(v); err != nil {
		return nil, err
	}
	return &Play{stream: st, viewer: v}, nil
}

// await returns a stream whose tracks are known.
func (s *Server) await(ctx context.Context, path string, wait time.Duration) (*stream, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		st, changed := s.streams[path], s.arrived
		s.mu.Unlock()
		if st != nil {
			changed = st.ready
			if isClosed(changed) {
				return st, nil
			}
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, ErrNoStream
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Next appends what has come since the last call to dst, and waits until there
// is something. It returns io.EOF once the stream has ended and all is read.
func (p *Play) Next(ctx context.Context, dst []packager.Message) ([]packager.Message, error) {
	for {
		var ended bool
		clear(p.batch) // let go of the payloads
		p.batch, ended = p.stream.take(p.viewer, p.batch)
		for i := range p.batch {
			dst = append(dst, p.batch[i].message(p.viewer.timestamp(&p.batch[i])))
		}
		switch {
		case len(dst) > 0:
			return dst, nil
		case ended:
			return dst, io.EOF
		}
		select {
		case <-p.viewer.wake:
		case <-ctx.Done():
			return dst, ctx.Err()
		}
	}
}

// Select says which of audio and video the viewer wants from now on; neither is
// a pause. Video begins again with a key frame.
func (p *Play) Select(audio, video bool) { p.stream.choose(p.viewer, audio, video) }

// Close leaves the stream.
func (p *Play) Close() { p.stream.leave(p.viewer) }

// message returns the tag as an RTMP message.
func (t *tag) message(timestamp uint32) packager.Message {
	m := packager.Message{Type: packager.MessageType(t.kind), Timestamp: timestamp, Payload: t.payload}
	m.HeaderLen = uint8(copy(m.Header[:], t.header))
	return m
}

// Players returns how many read a stream by [Server.Play].
func (s *Server) Players(path string) int { return s.count(path, true) }
