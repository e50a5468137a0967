package nettest

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
)

// TestServerless: members on one LAN find each other by native multicast, with
// no introducer at all, and those of another group on the same address see
// nothing of them.
func TestServerless(t *testing.T) {
	lab.Need(t)
	l := lab.New(t)
	lan := l.AddLAN("lan", lab.LANConfig{})
	common := []string{"--group-server-channel=false", "--group-ip-multicast", "239.255.7.7:30303"}
	publisher := start(t, lan.AddHost("pub", lab.HostConfig{}), append([]string{
		"publish", "--source", "test:", "--loop", "--stream", "live/cam", "--rtmp-listen", "",
	}, common...)...)
	other := start(t, lan.AddHost("other", lab.HostConfig{}), append([]string{
		"publish", "--source", "test:", "--loop", "--stream", "live/cam", "--rtmp-listen", "",
	}, common...)...)
	var viewers []*node
	for _, name := range []string{"v1", "v2", "v3"} {
		viewers = append(viewers, start(t, lan.AddHost(name, lab.HostConfig{}), "play", publisher.Link))
	}
	for _, v := range viewers {
		took := wait(t, v.host.Name()+" finds the others", 5*time.Second, func() bool {
			g := v.groups(t)
			return len(g) == 1 && g[0].NeighborCount == 3
		})
		t.Logf("%s is linked with the three others after %v", v.host.Name(), took)
		wait(t, v.host.Name()+" plays", 10*time.Second, v.plays)
	}
	if n := other.groups(t)[0].NeighborCount; n != 0 {
		t.Errorf("the other group has %d neighbors, want none", n)
	}
	if n := publisher.groups(t)[0].NeighborCount; n != 3 {
		t.Errorf("the publisher has %d neighbors, want 3", n)
	}
	for _, v := range viewers {
		v.stop(t)
	}
	publisher.stop(t)
}
