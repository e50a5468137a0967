package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of the HTTP server. All of them are defences against clients that
// keep resources without using them.
const (
	maxHeaderBytes    = 16 << 10
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 15 * time.Second
	idleTimeout       = 2 * time.Minute
	// pageTimeout bounds the answer to everything but media.
	pageTimeout = 15 * time.Second
)

// Config holds the parts that a [Server] puts together.
type Config struct {
	// Hosts are names under which a node on loopback may be asked for,
	// besides those of loopback itself.
	Hosts []string
	// Access says who may see the dashboard, the API and metrics; nil lets
	// everybody.
	Access *Access
	// Pprof serves profiles of the process to clients on this machine.
	Pprof bool
	// Backend tells the state of the node.
	Backend Backend
	// Metrics returns what /metrics shows; nil is off.
	Metrics func() []Metric
	// Network tells of groups; nil if the node is in none.
	Network Network
	// HLS serves /PATH/FILE, where PATH is a canonical stream path.
	HLS http.Handler
	// FLV serves /PATH.flv.
	FLV http.Handler
}

// Server serves HTTP for a node. It is safe for concurrent use.
type Server struct {
	config Config
	assets map[string]asset
	log    *slog.Logger
	counts counters

	eventClients eventClients
	stopping     chan struct{} // closed when Run stops serving
}

// New returns a server; it does not listen yet.
func New(config Config, log *slog.Logger) (*Server, error) {
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	return &Server{config: config, assets: assets, log: log, stopping: make(chan struct{})}, nil
}

// Run serves on the listeners until ctx is done or one of them fails. Then it
// lets requests in flight end for up to grace, closes the rest, and returns nil
// if it was told to end. It closes the listeners. How many connections there
// may be is for the listeners to bound.
func (s *Server) Run(ctx context.Context, grace time.Duration, listeners ...net.Listener) error {
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(listeners))
	var stopped sync.WaitGroup
	for _, l := range listeners {
		server := s.httpServer(isLoopback(l.Addr()))
		stopped.Go(func() {
			<-serving.Done()
			within, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer done()
			if server.Shutdown(within) != nil {
				_ = server.Close()
			}
		})
		go func() { ended <- server.Serve(l) }()
	}
	var first error
	select {
	case <-ctx.Done():
	case first = <-ended:
	}
	cancel()
	close(s.stopping)
	stopped.Wait()
	if errors.Is(first, http.ErrServerClosed) {
		return nil
	}
	return first
}

func (s *Server) httpServer(checkHost bool) *http.Server {
	return &http.Server{
		Handler:           s.Handler(checkHost),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
