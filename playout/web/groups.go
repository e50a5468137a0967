package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Errors of a Network, each with the status that the API answers.
var (
	// ErrNoGroup: there is no such group (404).
	ErrNoGroup = errors.New("no such group")
	// ErrNoObject: nobody has such an object (404).
	ErrNoObject = errors.New("no such object")
	// ErrNotAllowed: the group does not have the feature, or its password is
	// not known here (403).
	ErrNotAllowed = errors.New("not allowed in this group")
	// ErrTooMuch: a message is too long, or too many bytes are offered (413).
	ErrTooMuch = errors.New("too much")
	// ErrAlone: nobody else is in the group (503).
	ErrAlone = errors.New("nobody else is in the group")
	// ErrNoAnswer: a question was not answered (504).
	ErrNoAnswer = errors.New("nobody has answered")
)

// Network is the node's part in groups. Its methods are called from many
// goroutines.
type Network interface {
	// Groups returns the groups that the node has joined.
	Groups() []GroupStatus
	// Neighbors returns the members that the node is linked with in a group,
	// in the order of the ring; false if there is no such group.
	Neighbors(group string) ([]NeighborStatus, bool)
	// Subscribe calls f, which must not block, for each event until stop is
	// called.
	Subscribe(f func(Event)) (stop func())
	// Post sends a message, a string or what JSON has, to all members and
	// returns its ID. The same message again within some minutes is the same
	// post.
	Post(ctx context.Context, group string, message any) (id string, err error)
	// Posts returns the last posts, this node's too, oldest first; false if
	// there is no such group.
	Posts(group string) ([]PostStatus, bool)
	// Send routes a message.
	Send(ctx context.Context, group string, message any, to SendTarget) (SendResult, error)
	// Object fetches an object of a group by its index.
	Object(ctx context.Context, group string, index uint64) ([]byte, error)
	// PutObject offers an object to a group, RemoveObject takes it back.
	PutObject(group string, index uint64, object []byte) error
	RemoveObject(group string, index uint64) error
}

// PostStatus is a post. It is part of the API.
type PostStatus struct {
	MessageID string    `json:"messageID"`
	Time      time.Time `json:"time"`
	// PeerID is the neighbor that it came from, who need not be its author;
	// empty for posts of this node.
	PeerID string `json:"peerID,omitempty"`
	// Message is a string, or what its sender has made of JSON.
	Message any `json:"message"`
}

// SendTarget says where a message goes.
type SendTarget struct {
	// To is "nextIncreasing" or "nextDecreasing" for the next neighbor on the
	// ring, "allNeighbors", or an address of 64 hexadecimal digits for the
	// member nearest to it. Peer is the peer ID of a member instead.
	To, Peer string
	// Reply waits for an answer.
	Reply bool
	// Question is the number of a question of Peer that the message answers.
	Question string
}

// SendResult is what became of a message. It is part of the API.
type SendResult struct {
	// Result is "sent", "no route" or "error", as NetGroup has it.
	Result string `json:"result"`
	// Answer is what was answered, PeerID by whom, and Hops over how many links
	// it came.
	Answer any    `json:"answer,omitempty"`
	PeerID string `json:"peerID,omitempty"`
	Hops   int    `json:"hops,omitempty"`
}

// GroupStatus describes a group. It is part of the API.
type GroupStatus struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Link is the share link of the group's first stream.
	Link string `json:"link,omitempty"`
	// Address is this node's place on the ring: 64 hexadecimal digits.
	Address string `json:"address"`
	Ready   bool   `json:"ready"`
	// EstimatedMembers is told from how dense the ring is here.
	EstimatedMembers float64 `json:"estimatedMembers"`
	NeighborCount    int     `json:"neighborCount"`
	// Heard is how many members the node knows the names of.
	Heard int `json:"heard"`
	// CoverageFrom and CoverageTo bound the addresses that this node is
	// nearest to.
	CoverageFrom string   `json:"localCoverageFrom"`
	CoverageTo   string   `json:"localCoverageTo"`
	Streams      []string `json:"streams"`
	// Introducers are the meeting points, and whether each answers.
	Introducers []IntroducerStatus `json:"introducers"`
}

// IntroducerStatus describes a meeting point.
type IntroducerStatus struct {
	Addr  string `json:"addr"`
	Up    bool   `json:"up"`
	Error string `json:"error,omitempty"`
}

// NeighborStatus describes a link with a member. It is part of the API.
type NeighborStatus struct {
	PeerID  string `json:"peerID"`
	Address string `json:"address"`
	// Remote is its socket address.
	Remote string `json:"remote,omitempty"`
	// Since is for how many seconds the link has been up.
	Since float64 `json:"seconds"`
	// RTT is the round trip in milliseconds; 0 if it is not known.
	RTT float64 `json:"rttMilliseconds"`
	// Side is 1, 2, 3 for the nearest members above, -1, -2, -3 below, 0
	// for others.
	Side       int  `json:"side"`
	Outbound   bool `json:"outbound"`
	Relayed    bool `json:"relayed"`
	Ready      bool `json:"ready"`
	Suspect    bool `json:"suspect"`
	Extensions bool `json:"extensions"`
	// Streams says what is pushed over the link: of each stream the slices, 0
	// to 7, that come and go.
	Streams []LinkSlices `json:"streams"`
}

// LinkSlices says which slices of a stream a link carries.
type LinkSlices struct {
	Stream string `json:"stream"`
	From   []int  `json:"from"` // the neighbor pushes them to this node
	To     []int  `json:"to"`   // this node pushes them to the neighbor
}

// Event is something that happened in a group, under its NetStatus code. It is
// part of the API.
type Event struct {
	Code string `json:"code"`
	// Level is "status" or "error".
	Level string    `json:"level"`
	Time  time.Time `json:"time"`
	Group string    `json:"group,omitempty"`
	// PeerID is the neighbor that it is about or came from, or who has routed a
	// message, and Neighbor the address of a neighbor that comes or goes.
	PeerID   string `json:"peerID,omitempty"`
	Neighbor string `json:"neighbor,omitempty"`
	Stream   string `json:"stream,omitempty"`
	// Message is a post or a routed message: a string, or whatever JSON its
	// sender has made. MessageID is that of a post.
	Message   any    `json:"message,omitempty"`
	MessageID string `json:"messageID,omitempty"`
	// From is the address that a routed message came from; FromLocal is set if
	// it has reached its aim. Hops is over how many links it came.
	From      string `json:"from,omitempty"`
	FromLocal bool   `json:"fromLocal,omitempty"`
	Hops      int    `json:"hops,omitempty"`
	// Question is the number of a message whose sender, PeerID, waits for an
	// answer.
	Question string `json:"question,omitempty"`
	// Index is that of an object, and Bytes its length if it has come.
	Index *uint64 `json:"index,omitempty"`
	Bytes int     `json:"bytes,omitempty"`
}

// Bounds of what one request may bring or keep open.
const (
	maxPostBytes    = 32 << 10
	maxObjectBytes  = 1 << 20
	maxEventClients = 64
	maxEventQueue   = 256
	eventHeartbeat  = 15 * time.Second
	networkPatience = 10 * time.Second
)

// apiGroups serves everything below /api/v1/groups.
func (s *Server) apiGroups(w http.ResponseWriter, r *http.Request, rest string) {
	n := s.config.Network
	if n == nil {
		writeJSON(w, http.StatusNotFound, apiError{"this node is in no group"})
		return
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	switch {
	case rest == "":
		s.get(w, r, func() {
			groups := n.Groups()
			if groups == nil {
				groups = []GroupStatus{}
			}
			writePage(w, r, groups)
		})
	case len(parts) == 1:
		s.get(w, r, func() {
			for _, g := range n.Groups() {
				if g.ID == parts[0] {
					writeJSON(w, http.StatusOK, g)
					return
				}
			}
			writeJSON(w, http.StatusNotFound, apiError{ErrNoGroup.Error()})
		})
	case len(parts) == 2 && parts[1] == "neighbors":
		s.get(w, r, func() {
			list, ok := n.Neighbors(parts[0])
			if !ok {
				writeJSON(w, http.StatusNotFound, apiError{ErrNoGroup.Error()})
				return
			}
			if list == nil {
				list = []NeighborStatus{}
			}
			writePage(w, r, list)
		})
	case len(parts) == 2 && parts[1] == "posts":
		s.posts(w, r, parts[0])
	case len(parts) == 2 && parts[1] == "send":
		s.post(w, r, func(ctx context.Context, message any) (any, error) {
			q := r.URL.Query()
			return n.Send(ctx, parts[0], message, SendTarget{To: q.Get("to"), Peer: q.Get("peer"), Reply: q.Get("reply") == "true", Question: q.Get("question")})
		})
	case len(parts) == 3 && parts[1] == "objects":
		s.object(w, r, parts[0], parts[2])
	default:
		writeJSON(w, http.StatusNotFound, apiError{"no such resource; see /api/openapi.json"})
	}
}

// get runs f for GET and HEAD.
func (s *Server) get(w http.ResponseWriter, r *http.Request, f func()) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuseMethod(w, "GET, HEAD")
		return
	}
	f()
}

// eventClients counts those who listen to events.
type eventClients struct {
	mu sync.Mutex
	n  int
}

func (c *eventClients) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n >= maxEventClients {
		return false
	}
	c.n++
	return true
}

func (c *eventClients) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *eventClients) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
}

// events serves server-sent events: one for each thing that happens in a
// group. A client that is too slow loses events and is told how many.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.config.Network == nil {
		writeJSON(w, http.StatusNotFound, apiError{"this node is in no group"})
		return
	}
	if !s.eventClients.enter() {
		writeJSON(w, http.StatusServiceUnavailable, apiError{"too many clients listen to events"})
		return
	}
	defer s.eventClients.leave()
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return // the connection is free for the next request
	}

	queue := make(chan Event, maxEventQueue)
	stop := s.config.Network.Subscribe(func(e Event) {
		select {
		case queue <- e:
		default: // it is too slow
		}
	})
	defer stop()
	beat := time.NewTicker(eventHeartbeat)
	defer beat.Stop()
	write := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(pageTimeout))
		_, err := io.WriteString(w, text)
		return err == nil && control.Flush() == nil
	}
	for ok := write(": events\n\n"); ok; {
		select {
		case e := <-queue:
			body, err := json.Marshal(e)
			ok = err == nil && write("event: "+e.Code+"\ndata: "+string(body)+"\n\n")
		case <-beat.C:
			ok = write(": still here\n\n")
		case <-r.Context().Done():
			return
		case <-s.stopping:
			return
		}
	}
}
