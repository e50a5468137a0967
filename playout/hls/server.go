package hls

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringcast/ringcast/playout"
)

// Server answers HLS requests for all streams of a node. It is safe for
// concurrent use.
type Server struct {
	config  Config
	waiting atomic.Int64

	mu      sync.Mutex
	muxers  map[string]*entry
	arrived chan struct{} // closed when a stream begins
}

// entry is a stream that is served or was.
type entry struct {
	muxer   *Muxer
	viewers viewerCount
}

// New returns a server.
func New(config Config) *Server {
	return &Server{config: config, muxers: make(map[string]*entry), arrived: make(chan struct{})}
}

// Sink returns the output of a stream that begins. A stream of the same path
// that was served before goes on under the same playlist.
func (s *Server) Sink(path string) playout.Sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now())
	var older *Muxer
	e := s.muxers[path]
	if e == nil {
		e = &entry{}
		s.muxers[path] = e
	} else {
		older = e.muxer
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	e.muxer = newMuxer(s.config, hex.EncodeToString(random[:]), older)
	close(s.arrived)
	s.arrived = make(chan struct{})
	return e.muxer
}

// forget removes streams that ended long ago. It is called with the lock held.
func (s *Server) forget(now time.Time) {
	for path, e := range s.muxers {
		snap := e.muxer.state.Load()
		if snap.ended && now.Sub(snap.endedAt) > s.config.Window+s.config.Retain {
			delete(s.muxers, path)
		}
	}
}

// lookup returns the stream of a path, and a channel that is closed when
// another stream begins.
func (s *Server) lookup(path string) (*entry, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.muxers[path]
	if e != nil {
		if snap := e.muxer.state.Load(); snap.ended && time.Since(snap.endedAt) > s.config.Window+s.config.Retain {
			delete(s.muxers, path)
			e = nil
		}
	}
	return e, s.arrived
}

// Viewers returns how many clients read a stream's playlist lately.
func (s *Server) Viewers(path string) int {
	s.mu.Lock()
	e := s.muxers[path]
	s.mu.Unlock()
	if e == nil {
		return 0
	}
	return e.viewers.count(time.Now())
}

// Paths returns the paths of all streams that can be asked for, sorted.
func (s *Server) Paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.muxers))
}

// Untold returns about how many of a stream's viewers have not seen yet that it
// has ended. It is 0 for one that goes on.
func (s *Server) Untold(path string) int {
	s.mu.Lock()
	e := s.muxers[path]
	s.mu.Unlock()
	if e == nil || !e.muxer.state.Load().ended {
		return 0
	}
	return e.viewers.untold(time.Now())
}
