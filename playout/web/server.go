package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of the HTTP server. All of them are defences against clients that
// keep resources without using them.
const (
	maxConnections    = 8192
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
	// Backend tells the state of the node.
	Backend Backend
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

// Run serves on l until ctx is done. Then it lets requests in flight end for
// up to grace, closes the rest, and returns nil. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener, grace time.Duration) error {
	server := &http.Server{
		Handler:           s.Handler(isLoopback(l.Addr())),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	serving, cancel := context.WithCancel(ctx)
	go func() {
		defer close(stopped)
		<-serving.Done()
		close(s.stopping)
		within, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer done()
		if server.Shutdown(within) != nil {
			_ = server.Close()
		}
	}()
	err := server.Serve(netutil.LimitListener(l, maxConnections))
	cancel()
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
