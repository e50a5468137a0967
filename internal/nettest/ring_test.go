package nettest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
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
)

// TestRingOfProcesses: fifty processes form one ring through one introducer;
// when that and half of them die the ring closes.
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
