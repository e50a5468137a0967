package nettest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
)

// What the ring of real processes has to do. The limits are promises to users,
// not what was measured.
const (
	ringMembers = 50
	ringPerLAN  = 5
	ringForms   = 10 * time.Second
	ringCloses  = 30 * time.Second
	// postReaches is G11's bound for the slowest member, doubled for two
	// processors that fifty processes share.
	postReaches = 2 * time.Second
)

// TestRingOfProcesses: fifty processes form one ring through one introducer;
// without it posts reach all; when half of them die the ring closes.
func TestRingOfProcesses(t *testing.T) {
	hosts := ringHosts(t)
	introducer := launch(t, hosts[0], "introducer", "--rtmfp-listen", meetingAddr(hosts[0]), "--http-listen", "127.0.0.1:0")
	introducer.await(t)
	link := fmt.Sprintf("rtmfp://%s/live/none?fp=%s#%s", introducer.RTMFP, introducer.PeerID, newGroupspec(t))

	begin := time.Now()
	var members []*node
	for _, h := range hosts[1:] {
		members = append(members, launch(t, h, "play", link, "--rtsp-listen", "", "--http-listen", "127.0.0.1:0"))
	}
	launched := time.Now()
	for _, m := range members {
		m.await(t)
	}
	wait(t, "one ring", ringForms-time.Since(launched), func() bool { return wrongPlaces(t, members) == 0 })
	t.Logf("%d processes are one ring %.1f s after the last of them was started, %.1f s after the first", len(members), time.Since(launched).Seconds(), time.Since(begin).Seconds())

	introducer.kill()
	<-introducer.exited
	everyoneGets(t, members, 3, "without the introducer")

	var living []*node
	for i, m := range members {
		if i%2 == 0 {
			m.kill()
		} else {
			living = append(living, m)
		}
	}
	took := wait(t, "the ring closes", ringCloses, func() bool { return wrongPlaces(t, living) == 0 })
	t.Logf("the ring of the %d that are left is closed %.1f s after the others were killed", len(living), took.Seconds())
	everyoneGets(t, living, 3, "with half of them dead")
}

// ringHosts returns places for the introducer and the members.
func ringHosts(t *testing.T) (hosts []place) {
	if !haveLab() {
		for i := range ringMembers + 1 {
			hosts = append(hosts, newLoopback(t, fmt.Sprint("m", i)))
		}
		return hosts
	}
	l := lab.New(t)
	hosts = append(hosts, l.AddHost("meet", lab.HostConfig{}))
	for i := range ringMembers / ringPerLAN {
		lan := l.AddLAN(fmt.Sprint("lan", i), lab.LANConfig{})
		for k := range ringPerLAN {
			hosts = append(hosts, lan.AddHost(fmt.Sprintf("m%d", i*ringPerLAN+k), lab.HostConfig{}))
		}
	}
	return hosts
}

func meetingAddr(h place) string {
	if h, ok := h.(*lab.Host); ok {
		return h.Addr().String() + ":1935"
	}
	return "127.0.0.1:0"
}

// newGroupspec makes the groupspec of a group of its own.
func newGroupspec(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(binary, "groupspec", "new", "ring", "--unique", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Groupspec string }
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatalf("groupspec new: %v\n%s", err, out)
	}
	return made.Groupspec
}

// ringLink is a link of a member as it tells of it.
type ringLink struct {
	Address string
	Side    int
}

// wrongPlaces counts the members that do not have the true successor and
// predecessor among the given ones as their ring neighbors.
func wrongPlaces(t *testing.T, members []*node) (wrong int) {
	t.Helper()
	type seat struct {
		address string
		links   []ringLink
	}
	var seats []seat
	for _, m := range members {
		g := m.groups(t)
		if len(g) != 1 {
			t.Fatalf("%s: in %d groups, want 1", m.host.Name(), len(g))
		}
		var page struct{ Items []ringLink }
		if err := m.get("/api/v1/groups/"+g[0].ID+"/neighbors?itemsPerPage=1000", &page); err != nil {
			t.Fatalf("%s: %v", m.host.Name(), err)
		}
		seats = append(seats, seat{g[0].Address, page.Items})
	}
	// Addresses are hexadecimal digits, so their order is that of the ring.
	slices.SortFunc(seats, func(a, b seat) int { return strings.Compare(a.address, b.address) })
	for i, s := range seats {
		n := len(seats)
		if !slices.Contains(s.links, ringLink{seats[(i+1)%n].address, 1}) || !slices.Contains(s.links, ringLink{seats[(i+n-1)%n].address, -1}) {
			wrong++
		}
	}
	return wrong
}

// everyoneGets has some members post, and expects each post at all others.
func everyoneGets(t *testing.T, members []*node, posts int, when string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var heard atomic.Int64
	for _, m := range members {
		m.listen(ctx, t, func(code, message string) {
			if code == "NetGroup.Posting.Notify" && strings.HasPrefix(message, when) {
				heard.Add(1)
			}
		})
	}
	var slowest time.Duration
	for i := range posts {
		from := members[i*len(members)/posts]
		begin, want := time.Now(), heard.Load()+int64(len(members)-1)
		from.post(t, "/api/v1/groups/"+from.groups(t)[0].ID+"/posts", fmt.Sprint(when, " ", i))
		for heard.Load() < want {
			if time.Since(begin) > postReaches {
				t.Errorf("%s: a post reached %d of %d members within %v", when, heard.Load()-want+int64(len(members)-1), len(members)-1, postReaches)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		slowest = max(slowest, time.Since(begin))
	}
	t.Logf("%s each of %d posts reached the %d others, the slowest within %v", when, posts, len(members)-1, slowest.Round(time.Millisecond))
}

// listen calls f for each event that the node tells of, until ctx is done. It
// returns when the node has begun to tell.
func (n *node) listen(ctx context.Context, t *testing.T, f func(code, message string)) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.HTTP+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	forEver := http.Client{Transport: n.client.Transport}
	resp, err := forEver.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", n.host.Name(), err)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // the greeting
	go func() {
		defer resp.Body.Close()
		for lines.Scan() {
			var e struct {
				Code    string
				Message any
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &e) == nil {
				text, _ := e.Message.(string)
				f(e.Code, text)
			}
		}
	}()
}

// post sends a text to the node's API.
func (n *node) post(t *testing.T, path, text string) {
	t.Helper()
	resp, err := n.client.Post(n.HTTP+path, "text/plain", strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", n.host.Name(), err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: POST %s: %s: %s", n.host.Name(), path, resp.Status, answer)
	}
}
