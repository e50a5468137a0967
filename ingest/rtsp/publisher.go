package rtsp

import (
	"errors"
	"net/url"
	"sync"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/ingest"
)

// Publisher takes the streams that are announced to an RTSP server.
type Publisher struct {
	Registry *ingest.Registry
}

// Announce asks the registry for a stream. The key is the query parameter
// "key", or the password of the URL's user.
func (p *Publisher) Announce(ctx *gortsplib.ServerHandlerOnAnnounceCtx, path string) (*Recording, *base.Response) {
	query, err := url.ParseQuery(ctx.Query)
	if err != nil {
		return nil, &base.Response{StatusCode: base.StatusBadRequest}
	}
	key := query.Get("key")
	if key == "" {
		key = query.Get("pass")
	}
	publication, err := p.Registry.Publish(ingest.PublishRequest{
		Path: path, Key: key, Remote: ctx.Conn.NetConn().RemoteAddr().String(), Protocol: "rtsp",
	})
	switch {
	case errors.Is(err, ingest.ErrBadKey):
		return nil, &base.Response{StatusCode: base.StatusForbidden}
	case err != nil:
		return nil, &base.Response{StatusCode: base.StatusServiceUnavailable}
	}
	r, err := newReceiver(ctx.Description, publication)
	if err != nil {
		publication.Close(err)
		return nil, &base.Response{StatusCode: base.StatusUnsupportedMediaType}
	}
	return &Recording{desc: ctx.Description, publication: publication, receiver: r}, nil
}

// Recording is a publisher's session.
type Recording struct {
	desc        *description.Session
	publication *ingest.Publication

	mu       sync.Mutex // packets of UDP tracks come from several goroutines
	receiver *receiver
	closed   bool
}

// Record sets the callbacks of a session that begins to send.
func (r *Recording) Record(session *gortsplib.ServerSession) error {
	for m, t := range r.receiver.tracks {
		session.OnPacketRTP(m, t.format, func(p *rtp.Packet) {
			if err := r.packet(m, p); err != nil {
				session.Close()
			}
		})
		session.OnPacketRTCP(m, func(p rtcp.Packet) { r.report(m, p) })
	}
	return nil
}

func (r *Recording) report(m *description.Media, p rtcp.Packet) {
	if sr, ok := p.(*rtcp.SenderReport); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.receiver.report(m, sr)
	}
}

func (r *Recording) packet(m *description.Media, p *rtp.Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	return r.receiver.packet(m, p)
}

// Close ends the publication.
func (r *Recording) Close(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.receiver.finish()
	r.publication.Close(err)
}
