package rtsp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
)

// Server serves streams by RTSP and takes them in for a [Recorder]. It is safe
// for concurrent use.
type Server struct {
	config   Config
	recorder Recorder
	log      *slog.Logger
	rtsp     *gortsplib.Server
	host     string // that the listener is bound to

	// readers are the goroutines that write to players, background those that
	// close sessions.
	readers, background sync.WaitGroup

	mu      sync.Mutex
	streams map[string]*stream
	changed chan struct{} // closed when a stream can be played
}

// New returns a server that will accept connections from l. The recorder may
// be nil: then nobody can publish.
func New(config Config, l net.Listener, recorder Recorder, log *slog.Logger) *Server {
	s := &Server{config: config, recorder: recorder, log: log, streams: make(map[string]*stream), changed: make(chan struct{})}
	s.rtsp = &gortsplib.Server{
		Handler: &handler{s}, RTSPAddress: l.Addr().String(), WriteTimeout: config.WriteTimeout, WriteQueueSize: 1024,
		DisableRTCPSenderReports: true, // the streams send their own
		AuthMethods:              []auth.VerifyMethod{auth.VerifyMethodDigestMD5, auth.VerifyMethodBasic},
		Listen: func(string, string) (net.Listener, error) {
			return listener{l, config.WriteTimeout}, nil
		},
	}
	s.host, _, _ = net.SplitHostPort(l.Addr().String())
	return s
}

func (s *Server) setUDP(port int) {
	s.rtsp.UDPRTPAddress = net.JoinHostPort(s.host, strconv.Itoa(port))
	s.rtsp.UDPRTCPAddress = net.JoinHostPort(s.host, strconv.Itoa(port+1))
}

func (s *Server) setMulticast(port int) {
	s.rtsp.MulticastIPRange = multicastPart(s.config.MulticastRange)
	s.rtsp.MulticastRTPPort, s.rtsp.MulticastRTCPPort = port, port+1
}

// Start begins to listen. Call it before the first [Server.Sink].
func (s *Server) Start() error {
	bound := make(map[string]net.PacketConn)
	defer func() {
		for _, c := range bound { // what the library did not take
			_ = c.Close()
		}
	}()
	if port := s.config.UDPPort; port != 0 {
		s.setUDP(port)
	} else if pair, port, ok := bindPair(s.host, 8000); ok {
		s.setUDP(port)
		bound[s.rtsp.UDPRTPAddress], bound[s.rtsp.UDPRTCPAddress] = pair[0], pair[1]
	}
	if port := s.config.MulticastPort; port != 0 {
		s.setMulticast(port)
	} else if pair, port, ok := bindPair("", 8500); ok {
		// The groups are bound one by one as they are asked for.
		_, _ = pair[0].Close(), pair[1].Close()
		s.setMulticast(port)
	}
	s.rtsp.ListenPacket = func(network, address string) (net.PacketConn, error) {
		if c, ok := bound[address]; ok {
			delete(bound, address)
			return c, nil
		}
		return net.ListenPacket(network, address)
	}
	return s.rtsp.Start()
}

// Run serves until ctx is done. Start must have been called.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.rtsp.Close)
	defer stop()
	err := s.rtsp.Wait()
	s.mu.Lock()
	streams := s.streams
	s.streams = make(map[string]*stream)
	s.mu.Unlock()
	for _, st := range streams {
		st.mu.Lock()
		st.closeStreams()
		st.mu.Unlock()
	}
	s.readers.Wait()
	s.background.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Sink returns the output of a stream that begins.
func (s *Server) Sink(path string) playout.Sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := newStream(s, path)
	s.streams[path] = st
	return st
}

// Readers returns the number of sessions that play a stream.
func (s *Server) Readers(path string) int {
	s.mu.Lock()
	st := s.streams[path]
	s.mu.Unlock()
	if st == nil {
		return 0
	}
	return st.count()
}

// ended forgets a stream. It is called with the stream's lock held.
func (s *Server) ended(st *stream) {
	s.background.Go(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.streams[st.path] == st {
			delete(s.streams, st.path)
		}
	})
}

// ready wakes those who wait for a stream.
func (s *Server) ready() {
	s.background.Go(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.changed)
		s.changed = make(chan struct{})
	})
}

// await returns a stream that can be played, and waits a while for it.
func (s *Server) await(path string) *stream {
	timeout := time.NewTimer(s.config.DescribeWait)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		st, changed := s.streams[path], s.changed
		s.mu.Unlock()
		if st != nil {
			st.mu.Lock()
			ready := st.unicast != nil
			st.mu.Unlock()
			if ready {
				return st
			}
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil
		}
	}
}

// handler has the callbacks of the RTSP library.
type handler struct{ *Server }

// client is what is known of a session.
type client struct {
	mu        sync.Mutex
	stream    *stream
	recording Recording
	// pending is the track of the SETUP that is being answered.
	pending  int
	channels [8]byte
}

var errNoStream = errors.New("no such stream")

func respond(status base.StatusCode) *base.Response { return &base.Response{StatusCode: status} }

// OnDescribe answers DESCRIBE, and waits a while for a stream to begin.
func (h *handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	path, err := packager.CleanStreamPath(ctx.Path)
	if err != nil {
		return respond(base.StatusBadRequest), nil, err
	}
	st := h.await(path)
	if st == nil {
		return respond(base.StatusNotFound), nil, errNoStream
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.unicast == nil {
		return respond(base.StatusNotFound), nil, errNoStream
	}
	return respond(base.StatusOK), st.unicast, nil
}

// OnSessionOpen prepares a session.
func (h *handler) OnSessionOpen(ctx *gortsplib.ServerHandlerOnSessionOpenCtx) {
	ctx.Session.SetUserData(&client{channels: [8]byte{0, 2, 4, 6, 8, 10, 12, 14}})
}

// OnSessionClose ends a player's or publisher's session.
func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	c, ok := ctx.Session.UserData().(*client)
	if !ok {
		return
	}
	c.mu.Lock()
	st, recording := c.stream, c.recording
	c.stream, c.recording = nil, nil
	c.mu.Unlock()
	if st != nil {
		st.leave(ctx.Session)
	}
	if recording != nil {
		recording.Close(ctx.Error)
	}
}

// OnAnnounce begins a publisher's session.
func (h *handler) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	path, err := packager.CleanStreamPath(ctx.Path)
	if err != nil {
		return respond(base.StatusBadRequest), err
	}
	if h.recorder == nil {
		return respond(base.StatusForbidden), errors.New("publishing by RTSP is off")
	}
	recording, refusal, err := h.recorder.Announce(ctx, path)
	if refusal != nil {
		return refusal, err
	}
	if c, ok := ctx.Session.UserData().(*client); ok {
		c.mu.Lock()
		c.recording = recording
		c.mu.Unlock()
	}
	return respond(base.StatusOK), nil
}

// OnSetup sets up a track of a player's or publisher's session.
func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return respond(base.StatusOK), nil, nil
	}
	path, err := packager.CleanStreamPath(ctx.Path)
	if err != nil {
		return respond(base.StatusBadRequest), nil, err
	}
	h.mu.Lock()
	st := h.streams[path]
	h.mu.Unlock()
	c, ok := ctx.Session.UserData().(*client)
	if st == nil || !ok {
		return respond(base.StatusNotFound), nil, errNoStream
	}
	c.mu.Lock()
	c.pending = trackNumber(ctx.Request.URL.String())
	c.mu.Unlock()
	ctx.Conn.SetUserData(c)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.unicast == nil {
		return respond(base.StatusNotFound), nil, errNoStream
	}
	if ctx.Transport == gortsplib.TransportUDPMulticast {
		return respond(base.StatusOK), st.multicast, nil
	}
	return respond(base.StatusOK), st.unicast, nil
}

// trackNumber returns N of a control URL that ends in trackID=N.
func trackNumber(u string) int {
	_, number, ok := strings.Cut(u, "trackID=")
	if !ok {
		return 0
	}
	if end := strings.IndexAny(number, "/?&"); end >= 0 {
		number = number[:end]
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 7 {
		return 0
	}
	return n
}

// OnResponse learns which channels the library gave to a track.
func (h *handler) OnResponse(sc *gortsplib.ServerConn, res *base.Response) {
	value, ok := res.Header["Transport"]
	c, isClient := sc.UserData().(*client)
	if !ok || !isClient {
		return
	}
	var t headers.Transport
	if t.Unmarshal(value) == nil && t.InterleavedIDs != nil {
		c.mu.Lock()
		c.channels[c.pending] = byte(t.InterleavedIDs[0])
		c.mu.Unlock()
	}
}

// OnPlay begins to send.
func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	path, err := packager.CleanStreamPath(ctx.Path)
	c, ok := ctx.Session.UserData().(*client)
	if err != nil || !ok {
		return respond(base.StatusBadRequest), err
	}
	h.mu.Lock()
	st := h.streams[path]
	h.mu.Unlock()
	nc, isConn := ctx.Conn.NetConn().(*conn)
	transport := ctx.Session.SetuppedTransport()
	if st == nil || !isConn || transport == nil {
		return respond(base.StatusNotFound), errNoStream
	}
	c.mu.Lock()
	again := c.stream != nil
	c.stream = st
	channels := c.channels
	c.mu.Unlock()
	if !again && !st.play(ctx.Session, nc, *transport, channels) {
		return respond(base.StatusServiceUnavailable), errNoStream
	}
	return respond(base.StatusOK), nil
}

// OnPause stops sending.
func (h *handler) OnPause(ctx *gortsplib.ServerHandlerOnPauseCtx) (*base.Response, error) {
	if c, ok := ctx.Session.UserData().(*client); ok {
		c.mu.Lock()
		st := c.stream
		c.stream = nil
		c.mu.Unlock()
		if st != nil {
			st.leave(ctx.Session)
		}
	}
	return respond(base.StatusOK), nil
}

// OnGetParameter answers keep-alives.
func (h *handler) OnGetParameter(*gortsplib.ServerHandlerOnGetParameterCtx) (*base.Response, error) {
	return respond(base.StatusOK), nil
}

// OnSetParameter answers keep-alives.
func (h *handler) OnSetParameter(*gortsplib.ServerHandlerOnSetParameterCtx) (*base.Response, error) {
	return respond(base.StatusOK), nil
}

// OnRecord lets a publisher begin to send.
func (h *handler) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	c, ok := ctx.Session.UserData().(*client)
	if !ok {
		return respond(base.StatusBadRequest), nil
	}
	c.mu.Lock()
	recording := c.recording
	c.mu.Unlock()
	if recording == nil {
		return respond(base.StatusBadRequest), nil
	}
	if err := recording.Record(ctx.Session); err != nil {
		return respond(base.StatusForbidden), err
	}
	return respond(base.StatusOK), nil
}
