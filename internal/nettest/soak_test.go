package nettest

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
	"github.com/ringcast/ringcast/internal/load"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

var (
	soakFor  = flag.Duration("soak", 20*time.Second, "how long the soak test runs; memory is judged from ten minutes on")
	soakPlot = flag.String("soak-plot", "", "write the soak test's picture (SVG) to this `file`")
	soakSeed = flag.Uint64("soak-seed", 1, "seed of the soak test's churn")
)

// The soak's population. Five LANs with lines that lose and delay; on each four
// viewers stay and two seats change hands.
const (
	soakLANs, soakStay, soakChange = 5, 4, 2
	// soakStays is how long a viewer that leaves stays on average.
	soakStays = time.Minute
	// soakEmpty is how long its seat is empty then.
	soakEmpty = 3 * time.Second
	// soakBuffer is what the attached players keep: VLC's default for network
	// streams.
	soakBuffer = time.Second
)

// watched is a node that stays, with what was seen of it.
type watched struct {
	*node
	at                         []time.Duration
	resident, heap, goroutines []float64
	play                       load.Playback
}

// seat is where viewers come and go.
type seat struct {
	host    place
	node    *node // nil while it is empty
	asked   bool  // to end
	changes time.Time
}

// TestSoak: thirty nodes carry a stream while viewers come, leave and die.
// Memory and goroutines of those that stay do not grow, and no player at any
// of them stands still.
func TestSoak(t *testing.T) {
	lab.Need(t)
	t.Logf("seed %d: again with -soak %v -soak-seed %d", *soakSeed, *soakFor, *soakSeed)
	s := newSoak(t)
	ctx, cancel := context.WithCancel(t.Context())
	var players sync.WaitGroup
	for _, w := range s.stay {
		players.Go(func() { w.watch(ctx, t) })
	}
	period := min(5*time.Second, *soakFor/10)
	begin, next := time.Now(), time.Now()
	for time.Since(begin) < *soakFor {
		if !time.Now().Before(next) {
			next = next.Add(period)
			for _, w := range s.stay {
				w.sample(t, time.Since(begin))
			}
		}
		s.churn(t)
		s.sleep(100 * time.Millisecond)
	}
	cancel()
	players.Wait()
	s.report(t)
}

// soak is a running soak test.
type soak struct {
	rng          *rand.Rand
	link         string
	stay         []*watched // the first is the publisher
	seats        []*seat
	left, killed int
	// delayed is by how much the test's own timer was late at most, and held how
	// often by more than a player's buffer: then nobody on the machine ran.
	delayed time.Duration
	held    int
}

func newSoak(t *testing.T) *soak {
	s := &soak{rng: rand.New(rand.NewPCG(*soakSeed, 2))}
	l := lab.New(t)
	origin := start(t, l.AddHost("pub", lab.HostConfig{}), "publish", "--source", "test:", "--loop", "--stream", "live/cam", "--rtmp-listen", "")
	s.link = origin.Link
	s.stay = append(s.stay, &watched{node: origin})
	line := vnet.LinkParams{Delay: 10 * time.Millisecond, Loss: 0.005}
	for i := range soakLANs {
		lan := l.AddLAN(fmt.Sprint("lan", i), lab.LANConfig{Up: &line, Down: &line})
		for k := range soakStay {
			s.stay = append(s.stay, &watched{node: launch(t, lan.AddHost(fmt.Sprintf("s%d%d", i, k), lab.HostConfig{}), "play", s.link)})
		}
		for k := range soakChange {
			h := lan.AddHost(fmt.Sprintf("c%d%d", i, k), lab.HostConfig{})
			s.seats = append(s.seats, &seat{host: h, changes: time.Now()})
		}
	}
	s.seats = s.seats[1:] // thirty in all, with the publisher
	for _, w := range s.stay[1:] {
		w.await(t)
		wait(t, w.host.Name()+" plays", 30*time.Second, w.plays)
	}
	return s
}

// watch plays what a node serves until ctx is done.
func (w *watched) watch(ctx context.Context, t *testing.T) {
	w.play.Buffer = soakBuffer
	reader := load.RTSPReader{URL: w.rtspURL(), Dial: w.dial, OnPacket: func(channel byte, packet []byte) {
		if channel == 0 {
			w.play.Packet(packet, time.Now())
		}
	}}
	if _, err := reader.Run(ctx); err != nil {
		t.Errorf("%s: the player's connection ended: %v", w.host.Name(), err)
	}
	w.play.End(time.Now())
}

// sleep sleeps, and notes by how much longer it took.
func (s *soak) sleep(d time.Duration) {
	before := time.Now()
	time.Sleep(d)
	late := time.Since(before) - d
	if s.delayed = max(s.delayed, late); late > soakBuffer {
		s.held++
	}
}

// churn lets viewers come and go whose time has come. Half of them are killed.
func (s *soak) churn(t *testing.T) {
	for _, c := range s.seats {
		if time.Now().Before(c.changes) {
			continue
		}
		switch {
		case c.node == nil:
			c.node, c.asked = launch(t, c.host, "play", s.link), false
			c.changes = time.Now().Add(time.Duration(s.rng.ExpFloat64() * float64(soakStays)))
		case !c.asked:
			c.asked = true
			if s.rng.IntN(2) == 0 {
				s.killed++
				c.node.kill()
			} else {
				s.left++
				_ = c.node.cmd.Process.Signal(syscall.SIGTERM)
			}
			c.changes = time.Now().Add(soakEmpty)
		default:
			c.end(t)
		}
	}
}

// end clears a seat whose viewer was asked to end.
func (c *seat) end(t *testing.T) {
	select {
	case <-c.node.exited:
		if code := c.node.cmd.ProcessState.ExitCode(); code > 0 {
			t.Errorf("%s ends with %d:\n%s", c.host.Name(), code, c.node.log)
		}
		c.node = nil
	default:
		if time.Since(c.changes) > 5*time.Second {
			t.Errorf("%s does not end", c.host.Name())
			c.node.kill()
		}
	}
}

// sample notes memory and goroutines of a node.
func (w *watched) sample(t *testing.T, at time.Duration) {
	resident, err := load.ResidentBytes(w.cmd.Process.Pid)
	if err != nil {
		t.Fatalf("%s: %v", w.host.Name(), err)
	}
	resp, err := w.client.Get(w.HTTP + "/metrics")
	if err != nil {
		t.Logf("%s: %v", w.host.Name(), err) // too busy to answer
		return
	}
	defer resp.Body.Close()
	found := make(map[string]float64)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = v
		}
	}
	if w.at = append(w.at, at); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", w.host.Name(), resp.Status)
	}
	w.resident = append(w.resident, float64(resident))
	w.heap = append(w.heap, found["ringcast_heap_live_bytes"])
	w.goroutines = append(w.goroutines, found["ringcast_goroutines"])
}
