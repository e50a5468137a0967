package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// postNet is a mesh of postings that notes who got what when.
type postNet struct {
	*mesh[*Posting]
	got    map[PostID]map[int]reliability.Time
	posted map[PostID]reliability.Time
}

func newPostNet(t testing.TB, o meshOptions) *postNet {
	t.Helper()
	spec := everything(t)
	p := &postNet{got: map[PostID]map[int]reliability.Time{}, posted: map[PostID]reliability.Time{}}
	p.mesh = newMesh(t, o, func(n *meshNode[*Posting]) *Posting {
		core := NewPosting(PostingConfig{Spec: spec, Params: DefaultPostingParams(), Rand: rand.New(rand.NewPCG(o.seed, uint64(n.index))), Transport: n})
		n.react = func() {
			for {
				e, ok := core.PollEvent()
				if !ok {
					return
				}
				if p.got[e.ID] == nil {
					p.got[e.ID] = map[int]reliability.Time{}
				}
				if _, twice := p.got[e.ID][n.index]; twice {
					t.Fatalf("seed %d: node %d is told of %x twice", o.seed, n.index, e.ID[:4])
				}
				p.got[e.ID][n.index] = p.now
			}
		}
		return core
	})
	return p
}

func text(s string) []byte { return append([]byte{2, byte(len(s) >> 8), byte(len(s))}, s...) }

func (p *postNet) post(n *meshNode[*Posting], value []byte) PostID {
	p.t.Helper()
	var id PostID
	var err error
	p.do(n, func(now reliability.Time) { id, err = n.core.Post(now, value) })
	if err != nil {
		p.t.Fatal(err)
	}
	p.posted[id] = p.now
	return id
}

// result returns how many members missed a post, how many copies each got on
// average, and how long the posts took.
func (p *postNet) result() (missed int, copies float64, delays []time.Duration) {
	living := p.living()
	var came, received, duplicates uint64
	for id, at := range p.posted {
		for _, n := range living {
			if got, ok := p.got[id][n.index]; ok {
				delays = append(delays, got.Sub(at))
				came++
			} else if n.core.keys[id.Key()] == nil {
				missed++
			}
		}
	}
	for _, n := range living {
		received += n.core.stats.Received
		duplicates += n.core.stats.Duplicates
	}
	return missed, float64(received+duplicates) / float64(received), delays
}

func (p *postNet) keysSent() (each float64) {
	living := p.living()
	for _, n := range living {
		each += float64(n.core.stats.KeysSent)
	}
	return each / float64(len(living)) / float64(len(p.posted))
}

// Each post reaches every member, about once, within a second.
func TestPostsReachEverybody(t *testing.T) {
	for _, c := range []struct {
		name  string
		o     meshOptions
		posts int
		every time.Duration
		busy  bool
	}{
		{"1000 members, loss 1 %", meshOptions{nodes: 1000, seed: 1, loss: 0.01, degree: 20, caps: CapOverlay}, 10, 500 * time.Millisecond, false},
		{"loss 5 %", meshOptions{nodes: 300, seed: 2, loss: 0.05, degree: 20, caps: CapOverlay}, 20, 500 * time.Millisecond, false},
		{"of other makes", meshOptions{nodes: 300, seed: 3, loss: 0.01, degree: 20}, 20, 500 * time.Millisecond, false},
		{"100 posts a second", meshOptions{nodes: 300, seed: 4, loss: 0.01, degree: 26, caps: CapOverlay}, 500, 10 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPostNet(t, c.o)
			for i := range c.posts {
				p.post(p.nodes[p.r.IntN(len(p.nodes))], text(fmt.Sprint("post ", i)))
				p.run(c.every, nil)
			}
			if busy := p.nodes[0].core.IsBusy(); busy != c.busy {
				t.Errorf("busy: %v", busy)
			}
			p.run(5*time.Second, nil)
			missed, copies, delays := p.result()
			t.Logf("copies %.3f, p50 %v, p99 %v, keys sent by a member for each post %.1f", copies, percentile(delays, 0.5), percentile(delays, 0.99), p.keysSent())
			if missed > 0 || copies > 1.2 || percentile(delays, 0.99) > 1100*time.Millisecond {
				t.Errorf("seed %d: %d missed, %.3f copies", c.o.seed, missed, copies)
			}
		})
	}
}

// Posts get around members that crash, before anybody notices.
func TestPostsSurviveCrashes(t *testing.T) {
	p := newPostNet(t, meshOptions{nodes: 300, seed: 5, loss: 0.01, degree: 20, caps: CapOverlay})
	for i, n := range p.nodes {
		if i%10 == 3 {
			p.crash(n, 1100*time.Millisecond)
		}
	}
	for i := range 20 {
		p.post(p.living()[p.r.IntN(len(p.living()))], text(fmt.Sprint("post ", i)))
		p.run(100*time.Millisecond, nil)
	}
	p.run(5*time.Second, nil)
	missed, copies, delays := p.result()
	t.Logf("copies %.3f, p99 %v", copies, percentile(delays, 0.99))
	if missed > 0 || copies > 1.2 {
		t.Errorf("%d missed, %.3f copies", missed, copies)
	}
}

// Members that announce what they don't have, answer with something else, or
// flood do not keep posts from the others.
func TestPostsDespiteHostileMembers(t *testing.T) {
	p := newPostNet(t, meshOptions{nodes: 200, seed: 6, loss: 0.01, degree: 20, caps: CapOverlay})
	forged := 0
	for i, n := range p.nodes {
		if i%10 != 7 {
			continue
		}
		echoed := map[owire.PostKey]bool{}
		n.hostile = func(from PeerID, f Flow, b []byte) {
			keys, want, err := owire.ParsePostKeys(nil, b)
			if err != nil || p.byID[from].hostile != nil {
				return
			}
			for _, k := range keys {
				for _, l := range n.links {
					switch {
					case !want && !echoed[k]: // at once to everybody: I have it
						p.send(n, Send{l.far.id, FlowPostKeys, owire.AppendPostHave(nil, k)})
					case l.far.id == from && i%20 == 7: // here you are
						forged++
						p.send(n, Send{from, FlowPostValues, text(fmt.Sprint("forged ", forged%50))})
					}
				}
				echoed[k] = true
			}
		}
		// Names of nothing, again and again, to one neighbor.
		victim := n.links[0].far
		for round := range 8 {
			p.at(p.now.Add(time.Duration(round)*500*time.Millisecond), func() {
				for range 16 {
					keys := make([]owire.PostKey, owire.MaxPostKeys)
					for j := range keys {
						copy(keys[j][:], testIDBytes(p.r))
					}
					p.send(n, Send{victim.id, FlowPostKeys, owire.AppendPostHave(nil, keys...)})
				}
			})
		}
	}
	for i := range 20 {
		p.post(p.living()[p.r.IntN(len(p.living()))], text(fmt.Sprint("post ", i)))
		p.run(250*time.Millisecond, nil)
	}
	p.run(5*time.Second, nil)
	missed := 0
	for id := range p.posted {
		for _, n := range p.living() {
			if _, came := p.got[id][n.index]; !came && n.core.posts[id] == nil {
				missed++
			}
		}
	}
	_, copies, delays := p.result()
	flooded, keys := uint64(0), 0
	for _, n := range p.living() {
		flooded += n.core.stats.Flooded
		keys = max(keys, n.core.order.len())
	}
	t.Logf("10 %% hostile: missed %d of %d, copies %.2f, p99 %v, %d keys refused, at most %d kept", missed, len(p.posted)*len(p.living()), copies, percentile(delays, 0.99), flooded, keys)
	if missed > 0 || keys > 3*4096 || flooded == 0 {
		t.Errorf("seed %d: missed %d", p.o.seed, missed)
	}
}

func testIDBytes(r *rand.Rand) []byte {
	id := testID(r.Uint32())
	return id[:]
}

// pairOfPostings returns a posting with neighbors whose messages the test
// makes itself.
func onePosting(t *testing.T, settings groupspec.Settings, caps uint64, neighbors int) (*Posting, []PeerID, reliability.Time) {
	t.Helper()
	settings.Name = "posts"
	spec, err := groupspec.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPosting(PostingConfig{Spec: spec, Params: DefaultPostingParams(), Rand: rand.New(rand.NewPCG(1, 1)), Transport: silentTransport{}})
	now := reliability.Start.Add(time.Hour)
	var ids []PeerID
	for i := range neighbors {
		ids = append(ids, testID(uint32(i)))
		p.HandleLink(now, LinkInfo{Peer: ids[i], Addr: ids[i].Address(), Caps: caps})
	}
	return p, ids, now
}

type silentTransport struct{}

func (silentTransport) LastHeard(PeerID) reliability.Time { return 0 }
func (silentTransport) RTT(PeerID) (time.Duration, bool)  { return 0, false }
func (silentTransport) Backlog(PeerID) (int, float64)     { return 0, 0 }

// wants checks that exactly these messages go out.
func (p *Posting) wants(t *testing.T, want ...Send) {
	t.Helper()
	for _, w := range want {
		if got, ok := p.PollSend(); !ok || got.Peer != w.Peer || got.Flow != w.Flow || !bytes.Equal(got.Data, w.Data) {
			t.Fatalf("sends %x on %v to %s, want %x on %v to %s", got.Data, got.Flow, got.Peer.Short(), w.Data, w.Flow, w.Peer.Short())
		}
	}
	if got, ok := p.PollSend(); ok {
		t.Fatalf("also sends %x on %v to %s", got.Data, got.Flow, got.Peer.Short())
	}
}

func TestPostIsAnnouncedOnceAndGivenOnDemand(t *testing.T) {
	p, ids, now := onePosting(t, groupspec.Settings{Posting: true}, 0, 2)
	value := text("hello #1")
	id, err := p.Post(now, value)
	if err != nil || fmt.Sprintf("%x", id) != "72feab6277bdaa0562af6b63b1afe3ce03bd2f498bbc55a1e95fb58b664f0e60" {
		t.Fatalf("post gives %x, %v", id, err)
	}
	p.wants(t) // it waits for others to go with
	now = now.Add(20 * time.Millisecond)
	if at := p.PollTimeout(); at != now {
		t.Fatalf("keys go out at %v, want %v", at, now)
	}
	have := owire.AppendPostHave(nil, id.Key())
	p.HandleTimeout(now)
	p.wants(t, Send{ids[0], FlowPostKeys, have}, Send{ids[1], FlowPostKeys, have})
	if again, err := p.Post(now, value); again != id || err != nil {
		t.Errorf("the same again gives %x, %v", again, err)
	}
	p.HandleTimeout(now.Add(time.Second))
	p.HandleMessage(now, ids[1], FlowPostKeys, owire.AppendPostWant(nil, id.Key()))
	p.wants(t, Send{ids[1], FlowPostValues, value})

	// A neighbor that comes soon is told, a later one is not.
	third, fourth := testID(3), testID(4)
	p.HandleLink(now.Add(9*time.Second), LinkInfo{Peer: third})
	p.wants(t, Send{third, FlowPostKeys, have})
	p.HandleLink(now.Add(11*time.Second), LinkInfo{Peer: fourth})
	p.wants(t)
	// After two minutes it is not given any more, after five it is forgotten.
	p.HandleTimeout(now.Add(2*time.Minute + time.Second))
	p.HandleMessage(now, ids[0], FlowPostKeys, owire.AppendPostWant(nil, id.Key()))
	p.wants(t)
	p.HandleTimeout(now.Add(5*time.Minute + time.Second))
	if len(p.keys) != 0 || p.order.len() != 0 || p.bytes != 0 || p.PollTimeout() != reliability.Never {
		t.Errorf("%d keys, %d bytes are left", len(p.keys), p.bytes)
	}
}

// A post of a neighbor is asked for at once, asked of the next one that has it
// when no answer comes, and told to those who don't know it.
func TestPostIsFetchedAndPassedOn(t *testing.T) {
	p, ids, now := onePosting(t, groupspec.Settings{Posting: true}, CapOverlay, 4)
	value := text("hello")
	id := owire.NewPostID(value)
	have, want := owire.AppendPostHave(nil, id.Key()), owire.AppendPostWant(nil, id.Key())
	p.HandleMessage(now, ids[2], FlowPostKeys, have)
	p.wants(t, Send{ids[2], FlowPostKeys, want})
	p.HandleMessage(now, ids[1], FlowPostKeys, have)
	p.wants(t)
	now = p.PollTimeout()
	p.HandleTimeout(now)
	p.wants(t, Send{ids[1], FlowPostKeys, want})
	// When that one goes away, there is nobody to ask until another one comes.
	p.HandleLinkDown(now, ids[1])
	p.wants(t)
	p.HandleMessage(now, ids[0], FlowPostKeys, have)
	p.wants(t, Send{ids[0], FlowPostKeys, want})
	p.HandleMessage(now, ids[2], FlowPostValues, value) // the first one answers late
	if e, ok := p.PollEvent(); !ok || e.ID != id || !bytes.Equal(e.Value, value) || e.From != ids[2] {
		t.Errorf("event %+v", e)
	}
	p.HandleMessage(now, ids[0], FlowPostValues, value)
	if e, ok := p.PollEvent(); ok {
		t.Errorf("told twice: %+v", e)
	}
	p.HandleTimeout(p.PollTimeout())
	p.wants(t, Send{ids[3], FlowPostKeys, have})
	s := p.Stats()
	if s.Received != 1 || s.Duplicates != 1 || s.Asked != 3 || s.AskedAgain != 2 {
		t.Errorf("stats %+v", s)
	}
	p.HandleMessage(now, ids[3], FlowPostValues, text("not asked for"))
	if _, ok := p.PollEvent(); ok || p.Stats().Unasked != 1 {
		t.Error("a post comes without having been asked for")
	}
}

// A key of another make says nothing of its post: the post is passed on under
// it, and believed when two neighbors agree.
func TestPostUnderForeignKey(t *testing.T) {
	p, ids, now := onePosting(t, groupspec.Settings{Posting: true}, 0, 3)
	value, key := text("from afar"), owire.PostKey{1, 2, 3}
	have, want := owire.AppendPostHave(nil, key), owire.AppendPostWant(nil, key)
	p.HandleMessage(now, ids[0], FlowPostKeys, have)
	p.HandleMessage(now, ids[0], FlowPostValues, value)
	p.wants(t, Send{ids[0], FlowPostKeys, want})
	if e, ok := p.PollEvent(); !ok || e.ID != owire.NewPostID(value) {
		t.Fatal("no event")
	}
	p.HandleTimeout(p.PollTimeout())
	p.wants(t, Send{ids[1], FlowPostKeys, have}, Send{ids[2], FlowPostKeys, have})
	p.HandleMessage(now, ids[1], FlowPostKeys, have)
	p.wants(t, Send{ids[1], FlowPostKeys, want})
	p.HandleMessage(now, ids[1], FlowPostKeys, value) // on the wrong flow
	p.HandleMessage(now, ids[2], FlowPostKeys, have)
	p.wants(t)
	if _, ok := p.PollEvent(); ok {
		t.Error("told twice")
	}
}

// Whoever answers with something else does not hide the right post.
func TestPostForged(t *testing.T) {
	p, ids, now := onePosting(t, groupspec.Settings{Posting: true}, CapOverlay, 2)
	value, forged := text("the truth"), text("a lie")
	id := owire.NewPostID(value)
	have, want := owire.AppendPostHave(nil, id.Key()), owire.AppendPostWant(nil, id.Key())
	p.HandleMessage(now, ids[0], FlowPostKeys, have)
	p.HandleMessage(now, ids[0], FlowPostValues, forged)
	p.HandleMessage(now, ids[1], FlowPostKeys, have)
	p.wants(t, Send{ids[0], FlowPostKeys, want}, Send{ids[1], FlowPostKeys, want})
	p.HandleMessage(now, ids[1], FlowPostValues, value)
	var got []string
	for e, ok := p.PollEvent(); ok; e, ok = p.PollEvent() {
		got = append(got, string(e.Value[3:]))
	}
	if fmt.Sprint(got) != "[a lie the truth]" {
		t.Errorf("got %q", got)
	}
	p.HandleMessage(now, ids[0], FlowPostKeys, want)
	p.wants(t, Send{ids[0], FlowPostValues, value})
}

func TestPostPermission(t *testing.T) {
	var protected, reader groupspec.Settings
	protected.Posting = true
	protected.SetPostPassword("secret", "")
	reader = protected
	reader.PostPassword = ""
	for _, c := range []struct {
		name     string
		settings groupspec.Settings
		value    []byte
		want     error
	}{
		{"no posting", groupspec.Settings{}, text("x"), ErrNotPermitted},
		{"no password", reader, text("x"), ErrNotPermitted},
		{"password", protected, text("x"), nil},
		{"too long", protected, make([]byte, 64<<10+1), ErrTooLong},
		{"no value", protected, nil, owire.ErrTruncated},
		{"not a value", protected, []byte{0x30, 1}, owire.ErrMalformed},
	} {
		p, _, now := onePosting(t, c.settings, 0, 1)
		if _, err := p.Post(now, c.value); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// Those who may not post themselves still get and pass on.
	p, ids, now := onePosting(t, reader, 0, 1)
	p.HandleMessage(now, ids[0], FlowPostKeys, owire.AppendPostHave(nil, owire.PostKey{1}))
	if _, ok := p.PollSend(); !ok {
		t.Error("a member without the password does not ask for posts")
	}
	// In a group without posting, nothing is answered.
	p, ids, now = onePosting(t, groupspec.Settings{}, 0, 1)
	p.HandleMessage(now, ids[0], FlowPostKeys, owire.AppendPostHave(nil, owire.PostKey{1}))
	p.wants(t)
}

// What is kept stays within its bounds whatever is posted.
func TestPostsAreBounded(t *testing.T) {
	p, ids, now := onePosting(t, groupspec.Settings{Posting: true}, CapOverlay, 2)
	for i := range 6000 {
		now = now.Add(50 * time.Millisecond)
		value := text(fmt.Sprintf("%2000d", i))
		id := owire.NewPostID(value)
		p.HandleMessage(now, ids[0], FlowPostKeys, owire.AppendPostHave(nil, id.Key()))
		p.HandleMessage(now, ids[0], FlowPostValues, value)
		if p.PollTimeout() <= now {
			p.HandleTimeout(now)
		}
		for _, ok := p.PollSend(); ok; _, ok = p.PollSend() {
		}
		if _, ok := p.PollEvent(); !ok {
			t.Fatalf("post %d is lost", i)
		}
		if len(p.keys) > p.p.Keys || p.bytes > p.p.Bytes || p.kept.len() != len(p.posts) {
			t.Fatalf("after %d posts: %d keys, %d bytes, %d posts kept, %d known", i, len(p.keys), p.bytes, p.kept.len(), len(p.posts))
		}
	}
}

func TestPostingParams(t *testing.T) {
	if err := DefaultPostingParams().Validate(); err != nil {
		t.Error(err)
	}
	p := DefaultPostingParams()
	p.ValueAge = time.Hour
	if err := p.Validate(); err == nil {
		t.Error("values may outlive their keys")
	}
}

// The bytes of a script: neighbors come and go, announce, ask, send values of
// any kind, time passes. Nothing may panic, no bound may break, nothing may be
// told twice.
func FuzzPosting(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 0, 1, 3, 0, 0, 4, 1, 5, 2, 1, 6, 200})
	f.Add([]byte{0, 0, 2, 0, 9, 3, 0, 8, 2, 1, 9, 6, 40, 6, 40, 1, 0, 3, 1, 9})
	spec, err := groupspec.New(groupspec.Settings{Name: "fuzz", Posting: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		p := NewPosting(PostingConfig{Spec: spec, Params: DefaultPostingParams(), Rand: rand.New(rand.NewPCG(1, 1)), Transport: silentTransport{}})
		now := reliability.Start
		told := map[PostID]reliability.Time{}
		for len(script) >= 3 {
			op, who, what := script[0], testID(uint32(script[1]%8)), script[2]
			script = script[3:]
			value := text(fmt.Sprint("value ", what%16))
			key := owire.NewPostID(value).Key()
			if what >= 128 {
				key = owire.PostKey{what}
			}
			switch op % 8 {
			case 0:
				p.HandleLink(now, LinkInfo{Peer: who, Caps: uint64(what & 1), Side: int(what%7) - 3, Relayed: what&16 != 0, Suspect: what&32 != 0})
			case 1:
				p.HandleLinkDown(now, who)
			case 2:
				p.HandleMessage(now, who, FlowPostKeys, owire.AppendPostHave(nil, key))
			case 3:
				p.HandleMessage(now, who, FlowPostValues, value)
			case 4:
				p.HandleMessage(now, who, FlowPostKeys, owire.AppendPostWant(nil, key))
			case 5:
				_, _ = p.Post(now, value)
			case 6:
				now = now.Add(time.Duration(what) * 50 * time.Millisecond)
				p.HandleTimeout(now)
			case 7:
				p.HandleMessage(now, who, FlowPostKeys, script[:min(len(script), int(what))])
			}
			for _, ok := p.PollSend(); ok; _, ok = p.PollSend() {
			}
			for e, ok := p.PollEvent(); ok; e, ok = p.PollEvent() {
				if at, again := told[e.ID]; again && now.Sub(at) < p.p.ValueAge {
					t.Fatalf("%x is told again after %v", e.ID[:4], now.Sub(at))
				}
				told[e.ID] = now
			}
			if at := p.PollTimeout(); at <= now && op%8 == 6 {
				t.Fatalf("after a timeout the next one is %v ago", now.Sub(at))
			}
			if len(p.keys) > p.p.Keys+8*maxNames || p.bytes > p.p.Bytes || len(p.waiting) > 8*maxNames {
				t.Fatal("a bound is broken")
			}
		}
	})
}
