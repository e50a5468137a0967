package overlay

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// PostID names a post for applications: the SHA-256 hash of its bytes on the
// wire. Two posts of the same bytes are one.
type PostID = owire.PostID

// Errors of Posting.Post.
var (
	// ErrNotPermitted means that the groupspec does not have the feature, or
	// that the password which it takes is missing or wrong.
	ErrNotPermitted = errors.New("overlay: the group does not permit it")
	// ErrTooLong means that a message is longer than others take.
	ErrTooLong = errors.New("overlay: message is too long")
)

// PostingConfig says what Posting runs on.
type PostingConfig struct {
	// Spec is the group. Without posting in it nothing is taken or given.
	Spec      *groupspec.Spec
	Params    PostingParams
	Rand      *rand.Rand // chooses among neighbors
	Transport Transport
}

// PostingStats count what Posting has done. Bytes are those of messages,
// without what the transport adds.
type PostingStats struct {
	Posted, Received uint64 // posts of this node, new posts of others
	// Duplicates are posts that came though they were there.
	Duplicates                       uint64
	KeysSent, KeysReceived           uint64
	Asked, AskedAgain                uint64 // keys, and of them those that another neighbor had not answered
	GivenUp                          uint64 // keys that no neighbor had a post for
	DataBytesSent, DataBytesReceived uint64 // posts
	KeyBytesSent, KeyBytesReceived   uint64
	Malformed, Flooded, Unasked      uint64 // what others sent in error or in bad faith
}

// PostEvent is a post of another member.
type PostEvent struct {
	ID PostID
	// Value is an AMF0 value. It is shared and must not be changed.
	Value []byte
	// From is the neighbor that it came from, which need not be its author.
	From PeerID
}

// Posting spreads small messages to all members of a group, from any of them,
// in no particular order. A post is known by a key of 8 bytes. Keys are told to
// neighbors as they become known; a neighbor that does not know one asks for
// the post. Each member so gets each post about once, by the quickest way.
//
// Our own keys are the beginning of the post's hash. Those of other makes may
// be anything, so a key from a neighbor is a name and proves nothing: it is
// passed on as it came, and that a post belongs to a key which is not of its
// hash is believed only when several neighbors say so. Not safe for concurrent
// use.
type Posting struct {
	p       PostingParams
	rand    *rand.Rand
	tr      Transport
	enabled bool
	mayPost bool

	links []*postLink
	keys  map[owire.PostKey]*postKey
	order queue[*postKey] // by when they were first heard
	// posts are those that are kept, held by kept in the order of their coming.
	posts map[PostID]*post
	kept  queue[*post]
	bytes int

	names   int              // keys without a post
	waiting []*postKey       // that have no post yet, or one that is not proved
	askAt   reliability.Time // not later than the next deadline of those
	fresh   []*postKey       // that will be told to neighbors at tellAt
	tellAt  reliability.Time

	arrivals  float64 // posts a second, smoothed
	arrivedAt reliability.Time
	busy      bool
	chosenAt  reliability.Time

	sends  outbox[Send]
	events outbox[PostEvent]
	stats  PostingStats
}

// post is a post.
type post struct {
	id    PostID
	value []byte // nil when it is not kept any more
	at    reliability.Time
	taken bool // a neighbor has asked for it, or has announced it
}

// postKey is what is known under a key.
type postKey struct {
	key   owire.PostKey
	post  *post
	heard reliability.Time
	// told are the links whose far end knows the key.
	told linkSet
	// from are the links that have announced it, first the first of them. The
	// first tried of from were asked; agreed of them have answered with post
	// though the key is not of its hash, and wrong with something else.
	from                 []*postLink
	first                *postLink
	tried, agreed, wrong uint8
	// proved tells that post belongs to the key; until then others are asked.
	proved  bool
	waiting bool // listed in Posting.waiting
	asked   *postLink
	until   reliability.Time // when the answer is no longer waited for
}

// postLink is a neighbor.
type postLink struct {
	neighbor
	number uint8
	chosen bool // is told of keys when the group is busy
	// asked are the keys that it was asked for, oldest first: posts come
	// without their keys.
	asked []owire.PostKey
	asks  []owire.PostKey // about to be asked for
	// names is how many keys without a post were first heard from it, and more
	// tells that some could not be asked for yet.
	names int
	more  bool
	// silent is how many times in a row it did not answer.
	silent int

	haves, news, wants, served allowance
}

// Defences.
const (
	// maxAnnouncers is how many neighbors are remembered to have a post.
	maxAnnouncers = 16
	// maxAskedOf bounds the posts that are asked of one neighbor at a time,
	// maxNames the keys without a post that were first heard from it. What
	// exceeds that is heard of again from others.
	maxAskedOf = 64
	maxNames   = 1024
	// waitingAge is how long a key may stay without a post.
	waitingAge = 15 * time.Second
	// relayedLen is the longest post that goes through a relay.
	relayedLen = 4096
	// postBacklog is how much may wait for a neighbor that asks for posts.
	postBacklog = 2 << 20
)

// How many neighbors must agree on a post that does not belong to its key by the
// hash: fewer if one of them is of another make, which may have made the key;
// among our own nodes it is more likely a lie.
const (
	agreedForeign = 2
	agreedOwn     = 3
)

// Keys, those of them that nobody else has told, questions and bytes that one
// neighbor may have handled.
var (
	haveRate   = rate{burst: 2048, perSecond: 500}
	newsRate   = rate{burst: maxNames, perSecond: 200}
	wantRate   = rate{burst: 1024, perSecond: 250}
	servedRate = rate{burst: 8 << 20, perSecond: 512 << 10}
)

// NewPosting returns the posting of a group without neighbors. It panics on
// settings that PostingParams.Validate refuses.
func NewPosting(c PostingConfig) *Posting {
	if err := c.Params.Validate(); err != nil {
		panic(err.Error())
	}
	settings := c.Spec.Settings()
	return &Posting{
		p: c.Params, rand: c.Rand, tr: c.Transport, enabled: settings.Posting, mayPost: settings.MayPost(),
		keys: make(map[owire.PostKey]*postKey), posts: make(map[PostID]*post),
		tellAt: reliability.Never, askAt: reliability.Never,
	}
}

// Post sends a message to all members. value is an AMF0 value and must not be
// changed afterwards. The ID is the same for the same bytes, and posting them
// again within PostingParams.KeyAge has no effect. It returns ErrNotPermitted,
// ErrTooLong, or an error that says why value is none.
func (p *Posting) Post(now reliability.Time, value []byte) (PostID, error) {
	switch {
	case !p.mayPost:
		return PostID{}, fmt.Errorf("post: %w", ErrNotPermitted)
	case len(value) > p.p.MaxLen:
		return PostID{}, fmt.Errorf("post: %w: %d bytes, at most %d", ErrTooLong, len(value), p.p.MaxLen)
	}
	if err := owire.CheckPost(value); err != nil {
		return PostID{}, fmt.Errorf("post: %w", err)
	}
	id := owire.NewPostID(value)
	if k := p.keys[id.Key()]; k != nil && k.proved {
		return id, nil
	}
	p.stats.Posted++
	k := p.key(now, id.Key())
	k.proved = true
	k.post = p.keep(now, id, value)
	p.arrived(now)
	p.tellSoon(now, k)
	p.bound(now)
	return id, nil
}

// IsTaken reports whether a neighbor has fetched a post from this node or had
// it anyway, or the post is not kept here any more.
func (p *Posting) IsTaken(id PostID) bool {
	v := p.posts[id]
	return v == nil || v.taken
}

// HandleLink tells of a neighbor that is up or has changed.
func (p *Posting) HandleLink(now reliability.Time, info LinkInfo) {
	if !p.enabled {
		return
	}
	if l := p.link(info.Peer); l != nil {
		l.neighbor = info.neighbor()
		return
	}
	number, ok := freeNumber(p.links, func(l *postLink) uint8 { return l.number })
	if !ok {
		return
	}
	l := &postLink{neighbor: info.neighbor(), number: number, haves: haveRate.full(now), news: newsRate.full(now), wants: wantRate.full(now), served: servedRate.full(now)}
	p.links = append(p.links, l)
	var keys []owire.PostKey
	for k := range p.order.all() {
		if k.post != nil && k.post.value != nil && now.Sub(k.post.at) <= p.p.NewcomerAge && p.mayGo(l, k) {
			k.told.add(number)
			keys = append(keys, k.key)
		}
	}
	p.sendKeys(l, keys, owire.AppendPostHave)
}

// HandleLinkDown tells that a neighbor is none any more.
func (p *Posting) HandleLinkDown(now reliability.Time, id PeerID) {
	l := p.link(id)
	if l == nil {
		return
	}
	p.links = slices.DeleteFunc(p.links, func(o *postLink) bool { return o == l })
	for k := range p.order.all() {
		k.told.remove(l.number)
		if i := slices.Index(k.from, l); i >= 0 {
			k.from = slices.Delete(k.from, i, i+1)
			if i < int(k.tried) {
				k.tried--
			}
		}
		if k.asked == l {
			k.asked = nil
		}
	}
	p.askWaiting(now)
	p.sendAsks()
}

func (p *Posting) link(id PeerID) *postLink {
	for _, l := range p.links {
		if l.Peer == id {
			return l
		}
	}
	return nil
}

// HandleMessage takes a message of a neighbor on FlowPostKeys or
// FlowPostValues. b is borrowed.
func (p *Posting) HandleMessage(now reliability.Time, from PeerID, _ Flow, b []byte) {
	l := p.link(from)
	if l == nil {
		return
	}
	if !owire.IsPostKeys(b) {
		p.handleValue(now, l, b)
		p.sendAsks()
		return
	}
	p.stats.KeyBytesReceived += uint64(len(b))
	var space [owire.MaxPostKeys]owire.PostKey
	keys, want, err := owire.ParsePostKeys(space[:0], b)
	if err != nil {
		p.stats.Malformed++
		return
	}
	for _, k := range keys {
		if want {
			p.handleWant(now, l, k)
		} else {
			p.handleHave(now, l, k)
		}
	}
	p.sendAsks()
}

// key returns what is known under a key, and begins to know it.
func (p *Posting) key(now reliability.Time, key owire.PostKey) *postKey {
	k := p.keys[key]
	if k == nil {
		k = &postKey{key: key, heard: now}
		p.keys[key] = k
		p.order.push(k)
	}
	return k
}

// keep keeps a post for those who ask for it.
func (p *Posting) keep(now reliability.Time, id PostID, value []byte) *post {
	v := &post{id: id, value: value, at: now}
	p.posts[id] = v
	p.kept.push(v)
	p.bytes += len(value)
	return v
}

// bound drops what is too old or too much.
func (p *Posting) bound(now reliability.Time) {
	for p.kept.len() > 0 {
		v := p.kept.front()
		if p.bytes <= p.p.Bytes && now.Sub(v.at) < p.p.ValueAge {
			break
		}
		p.kept.pop()
		p.bytes -= len(v.value)
		v.value = nil
		delete(p.posts, v.id)
	}
	for p.order.len() > 0 {
		k := p.order.front()
		if p.keys[k.key] == k {
			if len(p.keys)-p.names <= p.p.Keys && now.Sub(k.heard) < p.p.KeyAge {
				break
			}
			p.named(k)
			delete(p.keys, k.key)
		}
		p.order.pop()
	}
}

// arrived follows how many posts come in a second.
func (p *Posting) arrived(now reliability.Time) {
	const memory = 5 * time.Second
	fade := math.Exp(-now.Sub(p.arrivedAt).Seconds() / memory.Seconds())
	if p.arrivedAt == 0 {
		fade = 0
	}
	p.arrivals = p.arrivals*fade + 1/memory.Seconds()
	p.arrivedAt = now
	// One limit to become busy and another one to stop.
	p.busy = p.arrivals > p.p.BusyRate || p.busy && p.arrivals > p.p.BusyRate/2
}

// HandleTimeout does what is due.
func (p *Posting) HandleTimeout(now reliability.Time) {
	if p.tellAt <= now {
		p.tell(now)
	}
	if p.askAt <= now {
		p.giveUp(now)
		p.askWaiting(now)
	}
	p.bound(now)
	p.sendAsks()
}

// PollTimeout returns when HandleTimeout is to be called next.
func (p *Posting) PollTimeout() reliability.Time {
	at := min(p.tellAt, p.askAt)
	if p.kept.len() > 0 {
		at = min(at, p.kept.front().at.Add(p.p.ValueAge))
	}
	if p.order.len() > 0 {
		at = min(at, p.order.front().heard.Add(p.p.KeyAge))
	}
	return at
}

// PollSend returns the next message for a neighbor.
func (p *Posting) PollSend() (Send, bool) { return p.sends.poll() }

// PollEvent returns the next post of another member.
func (p *Posting) PollEvent() (PostEvent, bool) { return p.events.poll() }

// Stats returns what was counted.
func (p *Posting) Stats() PostingStats { return p.stats }

// IsBusy reports whether there are so many posts that keys go to some
// neighbors only.
func (p *Posting) IsBusy() bool { return p.busy }
