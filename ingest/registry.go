package ingest

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// Errors of [Registry.Publish] and of a [Publication].
var (
	// ErrBadKey means that the publish key, or the password, is wrong or
	// missing.
	ErrBadKey = errors.New("the publish key is wrong or missing")
	// ErrInUse means that somebody else publishes under this name.
	ErrInUse = errors.New("the stream name is in use")
	// ErrTooMany means that the node has as many streams as it may have.
	ErrTooMany = errors.New("too many streams")
	// ErrTakenOver means that a newer publisher took the stream over.
	ErrTakenOver = errors.New("a newer publisher took the stream over")
	// ErrClosed means that the registry stops, or the publication was closed.
	ErrClosed = errors.New("the stream was closed")
)

// Config holds the settings of a [Registry].
type Config struct {
	// Key is what publishers must give; empty asks for none. StreamKeys are
	// keys of single streams by path, which count instead of Key.
	Key        string
	StreamKeys map[string]string
	// Account may publish every stream, beside those who have a key.
	Account Account
	// Grace is how long a stream waits for its publisher to come back.
	Grace time.Duration
	// StallAfter is how long a connected publisher may send no frame before
	// the stream counts as stalled.
	StallAfter time.Duration
	// MaxStreams bounds the streams at one time.
	MaxStreams int
	// Segmentation is the rule by which streams are cut.
	Segmentation packager.Segmentation
	// OnChange, if set, is called when a stream's state changes. It must not
	// block and must not call the registry.
	OnChange func(StreamStatus)
}

// Account is a name and a password.
type Account struct{ User, Password string }

// IsSet reports whether there is an account.
func (a Account) IsSet() bool { return a.User != "" }

// Admits reports whether a name and a password are the account's.
func (a Account) Admits(user, password string) bool {
	same := subtle.ConstantTimeCompare([]byte(a.User), []byte(user)) & subtle.ConstantTimeCompare([]byte(a.Password), []byte(password))
	return a.IsSet() && same == 1
}

// DefaultConfig returns the usual settings, with no key.
func DefaultConfig() Config {
	return Config{Grace: 10 * time.Second, StallAfter: 5 * time.Second, MaxStreams: 256, Segmentation: packager.DefaultSegmentation()}
}

const (
	// takeoverSilence is how long a publisher must have been silent before
	// another may replace it where no key proves that they belong together.
	takeoverSilence = 3 * time.Second
	// takeoverInterval keeps two encoders with one key from flapping.
	takeoverInterval = 2 * time.Second
	// endedFor is how long an ended stream stays in the list.
	endedFor = time.Minute
	// tick is how often states that depend on time are looked at.
	tick = 200 * time.Millisecond
)

// Registry holds the streams that this node publishes. It is safe for
// concurrent use.
type Registry struct {
	output Output
	log    *slog.Logger
	start  time.Time
	// wall reads the host's clock in Unix milliseconds: once for a stream.
	// All else counts on the monotonic clock.
	wall func() int64

	mu      sync.Mutex
	config  Config
	streams map[string]*stream
	closed  bool
}

// NewRegistry returns a registry that writes to output.
func NewRegistry(config Config, output Output, log *slog.Logger) *Registry {
	return &Registry{output: output, log: log, start: time.Now(), wall: func() int64 { return time.Now().UnixMilli() }, config: config, streams: make(map[string]*stream)}
}

// SetKeys replaces the publish keys and the account. Publishers that are
// connected stay.
func (r *Registry) SetKeys(key string, streamKeys map[string]string, account Account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config.Key, r.config.StreamKeys, r.config.Account = key, streamKeys, account
}

// Account returns the account that may publish, and whether there are keys
// beside it. Protocols that prove a password without sending it ask for it.
func (r *Registry) Account() (account Account, keys bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config.Account, r.config.Key != "" || len(r.config.StreamKeys) > 0
}

// KeyOf returns the publish key of a stream, empty if it has none.
func (r *Registry) KeyOf(path string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keyOf(path)
}

func (r *Registry) keyOf(path string) string {
	if key, ok := r.config.StreamKeys[path]; ok {
		return key
	}
	return r.config.Key
}

// PublishRequest says who wants to publish what.
type PublishRequest struct {
	// Path is the canonical stream path (packager.CleanStreamPath).
	Path string
	// Key is the publish key as given, User and Password are an account's.
	Key, User, Password string
	// Trusted requests come from the node's own configuration and need
	// neither, nor do those of Authorized connections, which have proven to
	// know the account's password or the stream's key.
	Trusted, Authorized bool
	// Remote is the publisher's address or URL without secrets, Protocol how
	// it speaks: both are for people.
	Remote, Protocol string
}

// Publish gives a publisher the stream of that name. Of two publishers who
// prove by a key that they belong together the last one wins: encoders that
// reconnect leave half-open connections behind.
func (r *Registry) Publish(req PublishRequest) (*Publication, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	key := r.keyOf(req.Path)
	proven := req.Trusted || req.Authorized || r.config.Account.Admits(req.User, req.Password) ||
		key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(req.Key)) == 1
	if !proven && (key != "" || r.config.Account.IsSet()) {
		return nil, ErrBadKey
	}
	st := r.streams[req.Path]
	if st == nil || st.isOver() {
		if st == nil && r.running() >= r.config.MaxStreams {
			return nil, ErrTooMany
		}
		st = r.newStream(req.Path)
		r.streams[req.Path] = st
	}
	return st.attach(req, proven)
}

func (r *Registry) running() (n int) {
	for _, st := range r.streams {
		if !st.isOver() {
			n++
		}
	}
	return n
}

func (r *Registry) newStream(path string) *stream {
	var epoch [8]byte
	_, _ = rand.Read(epoch[:])
	params := packager.DefaultParams()
	params.Segmentation = r.config.Segmentation
	params.Epoch = binary.BigEndian.Uint64(epoch[:])
	return &stream{registry: r, path: path, params: params, config: r.config, state: StateWaiting, since: time.Now()}
}

// now returns the time on the clock of the packagers.
func (r *Registry) now() reliability.Time { return reliability.Start.Add(time.Since(r.start)) }

// Streams returns the state of all streams, sorted by path.
func (r *Registry) Streams() []StreamStatus {
	r.mu.Lock()
	list := make([]*stream, 0, len(r.streams))
	for _, st := range r.streams {
		list = append(list, st)
	}
	r.mu.Unlock()
	statuses := make([]StreamStatus, len(list))
	for i, st := range list {
		statuses[i] = st.status()
	}
	slices.SortFunc(statuses, func(a, b StreamStatus) int { return strings.Compare(a.Path, b.Path) })
	return statuses
}

// Run watches over the streams until ctx is done: it ends those whose
// publisher does not come back and notices those that stall. At the end it
// ends all streams and refuses new ones.
func (r *Registry) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.check(false)
		case <-ctx.Done():
			r.mu.Lock()
			r.closed = true
			r.mu.Unlock()
			r.check(true)
			return nil
		}
	}
}

func (r *Registry) check(stop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for path, st := range r.streams {
		if st.check(now, stop) {
			delete(r.streams, path)
		}
	}
}
