package multicast_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
)

// partsNode notes what comes to a node besides streams.
type partsNode struct {
	*testNode
	posts   []string
	answers map[uint64]string
	objects map[uint64][]byte
	store   map[uint64][]byte
}

func (n *partsNode) react(now reliability.Time) bool {
	any := false
	for {
		e, ok := n.PollEvent()
		if !ok {
			return any
		}
		any = true
		if e.Kind != multicast.NodeMember {
			continue
		}
		switch e.Member.Kind {
		case multicast.MemberPost:
			n.posts = append(n.posts, string(e.Member.Post.Value))
		case multicast.MemberRoute:
			r := e.Member.Route
			switch r.Kind {
			case overlay.RouterQuestion:
				n.group.Router().Answer(now, r.Origin, r.Number, []byte(n.name+" heard "+string(r.Data)))
			case overlay.RouterAnswer:
				n.answers[r.Number] = string(r.Data)
			}
		case multicast.MemberObject:
			o := e.Member.Object
			switch o.Kind {
			case overlay.ObjectRequested:
				_ = n.group.Replicator().Give(now, o.Request, n.store[o.Index])
			case overlay.ObjectCame:
				n.store[o.Index] = o.Value
				n.objects[o.Index] = o.Value
				n.group.Replicator().Judge(now, o.Index, true)
			}
		}
	}
}

// TestGroupsDoMoreThanStreams: over the real transport, posts reach everybody,
// questions the member that they are for, and objects all who want them.
func TestGroupsDoMoreThanStreams(t *testing.T) {
	tn := newTestNet(t, 11)
	spec, err := groupspec.New(groupspec.Settings{Name: "all", Posting: true, Routing: true, ObjectReplication: true, ServerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*partsNode
	for range 12 {
		n := &partsNode{testNode: tn.member(spec), answers: map[uint64]string{}, objects: map[uint64][]byte{}, store: map[uint64][]byte{}}
		n.driver.React = n.react
		nodes = append(nodes, n)
	}
	tn.settle(10 * time.Second)
	tn.net.Run(3 * time.Second) // all are ready

	object := func(i uint64) []byte { return append([]byte{2, 0xff, 0xff}, bytes.Repeat([]byte{byte(i)}, 0xffff)...) }
	all := overlay.ObjectRange{First: 0, Last: 99}
	var number uint64
	nodes[0].driver.Do(func(now reliability.Time) {
		if _, err = nodes[0].group.Posting().Post(now, []byte("\x02\x00\x02hi")); err != nil {
			return
		}
		number, _ = nodes[0].group.Router().Ask(now, nodes[7].Self().Address(), []byte("a question"))
		for i := range uint64(100) {
			nodes[0].store[i] = object(i)
		}
		err = nodes[0].group.Replicator().AddHave(now, all, true)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes[1:] {
		n.driver.Do(func(now reliability.Time) { err = n.group.Replicator().AddWant(now, all) })
	}
	start := tn.net.Now()
	missing := func() (list []string) {
		for _, n := range nodes[1:] {
			if len(n.objects) < 100 {
				list = append(list, fmt.Sprintf("%s has %d objects", n.name, len(n.objects)))
			}
		}
		return list
	}
	for len(missing()) > 0 && tn.net.Now().Sub(start) < 2*time.Minute {
		tn.net.Run(250 * time.Millisecond)
	}
	if m := missing(); len(m) > 0 {
		t.Errorf("after %v: %v", tn.net.Now().Sub(start), m)
	}
	t.Logf("6.5 MB are at 11 members after %v; the seed gave %d objects", tn.net.Now().Sub(start), nodes[0].group.Replicator().Stats().Given)
	for _, n := range nodes[1:] {
		if len(n.posts) != 1 || n.posts[0] != "\x02\x00\x02hi" {
			t.Errorf("%s has the posts %q", n.name, n.posts)
		}
		for i := range uint64(100) {
			if !bytes.Equal(n.objects[i], object(i)) {
				t.Fatalf("%s: object %d differs", n.name, i)
			}
		}
	}
	if want := nodes[7].name + " heard a question"; nodes[0].answers[number] != want {
		t.Errorf("the answer is %q, want %q", nodes[0].answers[number], want)
	}
}
