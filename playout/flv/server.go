package flv

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/playout"
)

// Timeouts of an answer.
const (
	// tracksWithin is how long a viewer waits for the tracks of a stream that
	// has only begun.
	tracksWithin = 5 * time.Second
	// progressWithin is how long a viewer may take nothing.
	progressWithin = 10 * time.Second
)

// maxViewers bounds the viewers of one stream.
const maxViewers = 2000

// Server serves streams as HTTP-FLV under /PATH.flv. It is safe for
// concurrent use.
type Server struct {
	log *slog.Logger

	mu      sync.Mutex
	streams map[string]*stream
	arrived chan struct{} // closed when a stream begins
}

// New returns a server without streams.
func New(log *slog.Logger) *Server {
	return &Server{log: log, streams: make(map[string]*stream), arrived: make(chan struct{})}
}

// Sink returns the output for a stream that begins.
func (s *Server) Sink(path string) playout.Sink {
	st := newStream()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[path] = st
	close(s.arrived)
	s.arrived = make(chan struct{})
	return &registered{stream: st, server: s, path: path}
}

// registered is a stream's sink that takes it off the list when it ends.
type registered struct {
	*stream
	server *Server
	path   string
}

// WriteEvent takes the next event of the stream.
func (r *registered) WriteEvent(ev packager.Event) {
	r.stream.WriteEvent(ev)
	if ev.Kind != packager.EventEnd {
		return
	}
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	if r.server.streams[r.path] == r.stream {
		delete(r.server.streams, r.path)
	}
}

// Viewers returns how many read a stream by HTTP.
func (s *Server) Viewers(path string) int { return s.count(path, false) }

func (s *Server) count(path string, played bool) (n int) {
	s.mu.Lock()
	st := s.streams[path]
	s.mu.Unlock()
	if st == nil {
		return 0
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for v := range st.viewers {
		if v.played == played {
			n++
		}
	}
	return n
}

// ServeHTTP answers GET and HEAD of /PATH.flv.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), ".flv")
	s.mu.Lock()
	st := s.streams[path]
	s.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case st == nil:
		http.Error(w, "no such stream", http.StatusNotFound)
		return
	case r.Method == http.MethodHead:
		w.Header().Set("Content-Type", "video/x-flv")
		return
	}
	timer := time.NewTimer(tracksWithin)
	defer timer.Stop()
	select {
	case <-st.ready:
	case <-timer.C:
		http.Error(w, "the stream has not begun", http.StatusServiceUnavailable)
		return
	case <-r.Context().Done():
		return
	}
	if err := serve(w, r, st); err != nil {
		s.log.Debug("viewer left", "stream", path, "addr", r.RemoteAddr, "err", err)
	}
}

// serve sends the stream to one viewer until it ends or the viewer leaves.
func serve(w http.ResponseWriter, r *http.Request, st *stream) error {
	v := newViewer()
	switch err := st.join(v); {
	case errors.Is(err, ErrTooMany):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return nil
	case err != nil:
		http.Error(w, "the stream has ended", http.StatusNotFound)
		return nil
	}
	defer st.leave(v)
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "video/x-flv")
	out := bufio.NewWriterSize(w, 32<<10)
	if _, err := out.Write(fileHeader(st)); err != nil {
		return err
	}
	var batch []tag
	for {
		select {
		case <-v.wake:
		case <-r.Context().Done():
			return r.Context().Err()
		}
		var ended bool
		batch, ended = st.take(v, batch)
		if err := control.SetWriteDeadline(time.Now().Add(progressWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if err := v.write(out, batch); err != nil {
			return err
		}
		if err := errors.Join(out.Flush(), control.Flush()); err != nil {
			return err
		}
		if ended {
			return nil
		}
		clear(batch) // let go of the payloads
	}
}

func (v *viewer) write(out io.Writer, batch []tag) (err error) {
	for i := range batch {
		if v.scratch, err = batch[i].write(out, v.timestamp(&batch[i]), v.scratch); err != nil {
			return err
		}
	}
	return nil
}

// fileHeader says which tracks there are: players wait for those that it
// promises.
func fileHeader(st *stream) []byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	return flv.AppendFileHeader(nil, st.codec(packager.TrackVideo) != packager.CodecUnknown, st.codec(packager.TrackAudio) != packager.CodecUnknown)
}
