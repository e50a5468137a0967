package rtmp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/ringcast/ringcast/ingest"
)

// Limits of the server, in time and number.
const (
	maxConnections = 2048
	// publishWithin is how long a client may take to publish; connections
	// that say nothing are closed then.
	publishWithin = 10 * time.Second
	// silence is how long a publisher may send nothing at all, not even an
	// answer to a ping.
	silence      = 30 * time.Second
	pingInterval = 10 * time.Second
	// writeWithin bounds every answer.
	writeWithin = 10 * time.Second
	// lastWords is how long a refused client gets to read why.
	lastWords = 200 * time.Millisecond
)

// Server takes pushed streams and serves those that a [Player] has. It is safe
// for concurrent use.
type Server struct {
	registry *ingest.Registry
	player   Player
	log      *slog.Logger
	// The limits of the same names; tests have shorter ones.
	writeWithin, lastWords time.Duration

	challenges challenges

	mu          sync.Mutex
	connections map[net.Conn]struct{}
}

// NewServer returns a server that publishes into registry and plays what player
// has; without a player, nil, nobody can play.
func NewServer(registry *ingest.Registry, player Player, log *slog.Logger) *Server {
	return &Server{
		registry: registry, player: player, log: log, writeWithin: writeWithin, lastWords: lastWords,
		connections: make(map[net.Conn]struct{}),
	}
}

// Run serves on l, which may be a TLS listener, until ctx is done. It closes l
// and all connections, and waits for them.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		<-ctx.Done()
		_ = l.Close()
	})
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if temporary(err) {
				time.Sleep(50 * time.Millisecond) // out of files: some may close
				continue
			}
			return err
		}
		if !s.enter(c) {
			s.log.Warn("connection refused, there are too many", "addr", c.RemoteAddr().String())
			_ = c.Close()
			continue
		}
		running.Go(func() {
			defer s.leave(c)
			if err := serve(ctx, s, c); err != nil && ctx.Err() == nil {
				s.log.Debug("connection ended", "addr", c.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// temporary reports whether Accept failed for want of files, or because the
// client had gone already.
func temporary(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

func (s *Server) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.connections) >= maxConnections {
		return false
	}
	s.connections[c] = struct{}{}
	return true
}

func (s *Server) leave(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
}
