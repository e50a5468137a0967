package rtsp

import (
	"errors"
	"net/url"
	"sync"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/ingest"
)

// Publisher takes the streams that are announced to an RTSP server.
type Publisher struct {
	Registry *ingest.Registry
}

// Announce asks the registry for a stream. A publisher shows that it may by the
// key in the query ("key"), by the account's user and password in the query
// ("user", "pass"), or by digest or basic authentication: with the account, or
// with any user and the key as the password. The error tells the server to ask
// for that.
func (p *Publisher) Announce(ctx *gortsplib.ServerHandlerOnAnnounceCtx, path string) (*Recording, *base.Response, error) {
	query, err := url.ParseQuery(ctx.Query)
	if err != nil {
		return nil, &base.Response{StatusCode: base.StatusBadRequest}, nil
	}
	request := ingest.PublishRequest{
		Path: path, Key: query.Get("key"), User: query.Get("user"), Password: query.Get("pass"),
		Remote: ctx.Conn.NetConn().RemoteAddr().String(), Protocol: "rtsp",
	}
	open := request.Key != "" || request.User != ""
	account, _ := p.Registry.Account()
	if key := p.Registry.KeyOf(path); !open && (key != "" || account.IsSet()) {
		if !verified(ctx, account, key) {
			return nil, &base.Response{StatusCode: base.StatusUnauthorized}, liberrors.ErrServerAuth{}
		}
		request.Authorized = true
	}
	publication, err := p.Registry.Publish(request)
	switch {
	case errors.Is(err, ingest.ErrBadKey):
		return nil, &base.Response{StatusCode: base.StatusForbidden}, nil
	case err != nil:
		return nil, &base.Response{StatusCode: base.StatusServiceUnavailable}, nil
	}
	r, err := newReceiver(ctx.Description, publication)
	if err != nil {
		publication.Close(err)
		return nil, &base.Response{StatusCode: base.StatusUnsupportedMediaType}, nil
	}
	return &Recording{desc: ctx.Description, publication: publication, receiver: r}, nil, nil
}

// verified reports whether a request proves to know the account's password, or
// the key as the password of any user.
func verified(ctx *gortsplib.ServerHandlerOnAnnounceCtx, account ingest.Account, key string) bool {
	if account.IsSet() && ctx.Conn.VerifyCredentials(ctx.Request, account.User, account.Password) {
		return true
	}
	// Asked for a user, since one is needed to make the nonce.
	user := "publisher"
	var given headers.Authorization
	if given.Unmarshal(ctx.Request.Header["Authorization"]) == nil && given.Username != "" {
		user = given.Username
	}
	return ctx.Conn.VerifyCredentials(ctx.Request, user, key) && key != ""
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
