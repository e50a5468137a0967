package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/playout/web"
)

// groupAPI is what the API keeps of a group: the last posts, and the objects
// that were offered by it.
type groupAPI struct {
	group *peernode.Group

	// Posts are noted with the cores locked, objects offered before the cores
	// are: so each has a lock of its own.
	postsMu sync.Mutex
	posts   []web.PostStatus // oldest first

	mu      sync.Mutex
	objects map[uint64][]byte
	bytes   int
}

// Bounds of what is kept of one group. Posts come from strangers, objects from
// those who may use the API.
const (
	maxKeptPosts   = 256
	maxKeptObjects = 4096
	maxKeptBytes   = 64 << 20
)

// api returns what the API keeps of a group, nil if the node is not in it.
func (n *network) api(id string) *groupAPI {
	g := n.find(id)
	if g == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.apis[id]
	if a == nil {
		a = &groupAPI{group: g, objects: make(map[uint64][]byte)}
		if n.apis == nil {
			n.apis = make(map[string]*groupAPI)
		}
		n.apis[id] = a
	}
	return a
}

// run notes posts and gives objects to others until ctx is done.
func (a *groupAPI) run(ctx context.Context) error {
	stop := a.group.Listen(func(e peernode.Event) {
		if e.Code == overlay.StatusPosting {
			w := describeEvent(&e, "")
			a.note(web.PostStatus{MessageID: w.MessageID, Time: w.Time, PeerID: w.PeerID, Message: w.Message})
		}
	})
	defer stop()
	err := a.group.Serve(ctx, func(index uint64) ([]byte, bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		object, ok := a.objects[index]
		return object, ok
	})
	if errors.Is(err, peernode.ErrLeft) {
		return nil
	}
	return err
}

func (a *groupAPI) note(p web.PostStatus) {
	a.postsMu.Lock()
	defer a.postsMu.Unlock()
	if len(a.posts) == maxKeptPosts {
		a.posts = slices.Delete(a.posts, 0, 1)
	}
	a.posts = append(a.posts, p)
}

// apiError turns an error of a group into one that the API knows.
func apiError(err error) error {
	switch {
	case errors.Is(err, overlay.ErrNotPermitted):
		return web.ErrNotAllowed
	case errors.Is(err, overlay.ErrTooLong):
		return fmt.Errorf("%w: %w", web.ErrTooMuch, err)
	case errors.Is(err, peernode.ErrNoAnswer):
		return web.ErrNoAnswer
	case errors.Is(err, peernode.ErrLeft):
		return web.ErrNoGroup
	}
	return err
}

// Post implements web.Network.
func (n *network) Post(ctx context.Context, group string, message any) (string, error) {
	a := n.api(group)
	if a == nil {
		return "", web.ErrNoGroup
	}
	settings := a.group.Spec().Settings()
	if !settings.MayPost() {
		return "", web.ErrNotAllowed
	}
	value := valueOf(message)
	if err := a.waitNeighbor(ctx); err != nil {
		return "", err
	}
	id, err := a.group.Post(ctx, value)
	if err != nil {
		return "", apiError(err)
	}
	text := hex.EncodeToString(id[:])
	a.note(web.PostStatus{MessageID: text, Time: time.Now(), Message: jsonOf(value)})
	return text, nil
}

// alonePatience is how long a request waits for another member.
const alonePatience = 2 * time.Second

func (a *groupAPI) waitNeighbor(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, alonePatience)
	defer cancel()
	err := a.group.WaitNeighbor(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return web.ErrAlone
	}
	return apiError(err)
}

// Posts implements web.Network.
func (n *network) Posts(group string) ([]web.PostStatus, bool) {
	a := n.api(group)
	if a == nil {
		return nil, false
	}
	a.postsMu.Lock()
	defer a.postsMu.Unlock()
	return slices.Clone(a.posts), true
}

// Send implements web.Network.
func (n *network) Send(ctx context.Context, group string, message any, to web.SendTarget) (web.SendResult, error) {
	a := n.api(group)
	if a == nil {
		return web.SendResult{}, web.ErrNoGroup
	}
	if !a.group.Spec().Settings().Routing {
		return web.SendResult{}, web.ErrNotAllowed
	}
	value := valueOf(message)
	g := a.group
	switch to.To {
	case "nextIncreasing":
		return resultOf(g.SendToNeighbor(overlay.NextIncreasing, value)), nil
	case "nextDecreasing":
		return resultOf(g.SendToNeighbor(overlay.NextDecreasing, value)), nil
	case "allNeighbors":
		return resultOf(g.SendToAllNeighbors(value)), nil
	}
	var addr overlay.Address
	var peer overlay.PeerID
	var err error
	switch {
	case (to.To == "") == (to.Peer == ""):
		return web.SendResult{}, errors.New("to whom? to is nextIncreasing, nextDecreasing, allNeighbors or an address; peer a peer ID; one of them")
	case to.Peer != "":
		peer, err = overlay.ParsePeerID(to.Peer)
		addr = peer.Address()
	default:
		addr, err = overlay.ParseAddress(to.To)
	}
	if err != nil {
		return web.SendResult{}, err
	}
	if to.Question != "" {
		return a.answer(peer, to, value)
	}
	if !to.Reply {
		return resultOf(g.Route(addr, value)), nil
	}
	if err := a.waitNeighbor(ctx); err != nil {
		return web.SendResult{}, err
	}
	answer, err := g.Ask(ctx, addr, value)
	if err != nil {
		return web.SendResult{}, apiError(err)
	}
	if to.Peer != "" && answer.From != peer {
		return web.SendResult{Result: overlay.RouteNone.String()}, nil
	}
	return web.SendResult{Result: overlay.RouteSent.String(), Answer: jsonOf(answer.Value), PeerID: answer.From.String(), Hops: answer.Hops}, nil
}

func resultOf(r overlay.RouteResult) web.SendResult { return web.SendResult{Result: r.String()} }

// answer answers a question that an event has told of.
func (a *groupAPI) answer(peer overlay.PeerID, to web.SendTarget, value peernode.Value) (web.SendResult, error) {
	number, err := strconv.ParseUint(to.Question, 10, 64)
	if err != nil || to.Peer == "" || to.Reply {
		return web.SendResult{}, errors.New("an answer has peer and question as the event of the question has them, and no reply")
	}
	if err := a.group.Answer(peer, number, value); err != nil {
		return web.SendResult{}, apiError(err)
	}
	return resultOf(overlay.RouteSent), nil
}

// Object implements web.Network.
func (n *network) Object(ctx context.Context, group string, index uint64) ([]byte, error) {
	a := n.api(group)
	if a == nil {
		return nil, web.ErrNoGroup
	}
	a.mu.Lock()
	object, ok := a.objects[index]
	a.mu.Unlock()
	if ok {
		return object, nil
	}
	object, err := a.group.Fetch(ctx, index)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, web.ErrNoObject
	}
	return object, apiError(err)
}

// PutObject implements web.Network.
func (n *network) PutObject(group string, index uint64, object []byte) error {
	a := n.api(group)
	if a == nil {
		return web.ErrNoGroup
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old, replaced := a.objects[index]
	if !replaced && len(a.objects) >= maxKeptObjects || a.bytes-len(old)+len(object) > maxKeptBytes {
		return fmt.Errorf("%w: this node keeps %d objects of %d MB in all; DELETE takes one back", web.ErrTooMuch, maxKeptObjects, maxKeptBytes>>20)
	}
	if err := a.group.AddHave(index, index); err != nil {
		return apiError(err)
	}
	a.bytes += len(object) - len(old)
	a.objects[index] = object
	return nil
}

// RemoveObject implements web.Network.
func (n *network) RemoveObject(group string, index uint64) error {
	a := n.api(group)
	if a == nil {
		return web.ErrNoGroup
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old, ok := a.objects[index]
	if !ok {
		return web.ErrNoObject
	}
	a.bytes -= len(old)
	delete(a.objects, index)
	return apiError(a.group.RemoveHave(index, index))
}
