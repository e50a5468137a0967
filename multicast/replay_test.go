package multicast_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/udp"
)

var (
	recordName = flag.String("record", "", "live through testdata/replay/NAME.txt.gz anew with other programs, and write it: publish or play")
	recordPeer = flag.String("record-peer", "", "what the other programs are")
	recordAt   = flag.String("record-introducer", "127.0.0.1:19360", "where play meets them; publish listens on 127.0.0.1:19372")
)

// The recorded group, and how long a recording takes: that of a player is short,
// since what it gets cannot be compressed.
const (
	replaySpec    = "G:027f0201010103010c050e7465737400"
	replayPublish = 9 * time.Second
	replayPlay    = 1800 * time.Millisecond
	replayTick    = 20 * time.Millisecond
)

// replayHead is the first line of a recording.
type replayHead struct {
	// Peer says what the other programs are, Role what the node did.
	Peer, Role string
	Introducer netip.AddrPort
	Local      []netip.AddrPort
	Start      reliability.Time
	Want       replayed
}

// replayed is what came of a run.
type replayed struct {
	// Links is with how many members of other makes the node was linked at the
	// most; Pulled how many fragments they pulled, Pushed how many they were
	// pushed.
	Links          int
	Pulled, Pushed uint64
	// Messages of the stream were delivered.
	Audio, Video, Data uint64
}

// check compares what came of a replay with what came of the run. A node that
// chooses otherwise than it did then gets and gives a little more or less, since
// the others do what they did then.
func (got *replayed) check(t *testing.T, want *replayed) {
	t.Helper()
	if got.Links != want.Links {
		t.Errorf("linked with %d members of other makes, want %d", got.Links, want.Links)
	}
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"fragments pulled by them", got.Pulled, want.Pulled},
		{"fragments pushed to them", got.Pushed, want.Pushed},
		{"sounds", got.Audio, want.Audio},
		{"pictures", got.Video, want.Video},
		{"data messages", got.Data, want.Data},
	} {
		if c.got < c.want*9/10 {
			t.Errorf("%s: %d, want about %d", c.name, c.got, c.want)
		}
	}
}

// groupRun is a node that lives through a run, for real or again.
type groupRun struct {
	*multicast.Node
	t     *testing.T
	head  replayHead
	group *multicast.Group
	key   multicast.StreamKey
	count int
	got   replayed
	buf   []byte
	// note, if not nil, writes what happens to the recording.
	note func(format string, args ...any)
}

// newGroupRun makes the node. entropy gives the secrets of a kind.
func newGroupRun(t *testing.T, head replayHead, entropy func(kind string) io.Reader) *groupRun {
	t.Helper()
	r := &groupRun{t: t, head: head, buf: make([]byte, 1<<16)}
	secrets, err := profile.NewSecrets(entropy("secrets"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.NewNode(secrets, profile.NodeOptions{Server: head.Role == "publish"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: entropy("endpoint")})
	if err != nil {
		t.Fatal(err)
	}
	e.SetLocalAddrs(head.Local)
	config := multicast.NodeConfig{
		Endpoint: e, Alias: p.Short().Fingerprint, Rand: mrand.New(mrand.NewPCG(1, 2)), Entropy: entropy("node"), Introduces: true,
	}
	spec, err := groupspec.Parse(replaySpec)
	if err != nil {
		t.Fatal(err)
	}
	if head.Role == "publish" {
		meet, err := introducer.New(introducer.DefaultParams(), mrand.New(mrand.NewPCG(3, 4)))
		if err != nil {
			t.Fatal(err)
		}
		params := netconnection.DefaultServerParams()
		params.NoRelay = true
		config.Meets, config.Services = true, []multicast.Service{netconnection.NewServer(e, params), meet}
		meet.JoinLocal(introducer.GroupID(spec.ID()), p.Self().Fingerprint, p.Short().Fingerprint)
	}
	if r.Node, err = multicast.NewNode(head.Start, config); err != nil {
		t.Fatal(err)
	}
	r.begin(head.Start, spec)
	return r
}

// begin joins the group, and publishes or plays.
func (r *groupRun) begin(now reliability.Time, spec *groupspec.Spec) {
	r.t.Helper()
	var err error
	if r.head.Role == "play" {
		url := "rtmfp://" + r.head.Introducer.String() + "/live"
		config := multicast.ServerConfig{EPD: profile.ServerEPD(url), Addrs: []netip.AddrPort{r.head.Introducer}, URL: url, App: "live"}
		if _, err = r.Connect(now, config); err != nil {
			r.t.Fatal(err)
		}
	}
	params := multicast.DefaultParams()
	r.group, err = r.Join(now, multicast.JoinConfig{Spec: spec, Ring: overlay.DefaultRingParams(), Params: params, Extensions: true})
	if err != nil {
		r.t.Fatal(err)
	}
	if r.head.Role == "play" {
		r.group.Engine().Play(now, "cam", multicast.PlayOptions{})
		return
	}
	if r.key, err = r.group.Engine().Publish(now, "cam", multicast.PublishOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

// tick writes the next messages of a published stream: 25 pictures a second, a
// key frame with its configuration each second, and as many sounds. Every fourth
// key frame is of 200 kB.
func (r *groupRun) tick(now reliability.Time) {
	if r.note != nil {
		r.note("t %d", now)
	}
	links := 0
	for _, l := range r.group.Ring().Links() {
		if l.Caps == 0 {
			links++
		}
	}
	r.got.Links = max(r.got.Links, links)
	if r.head.Role != "publish" || now.Sub(r.head.Start) > replayPublish-3*time.Second {
		if r.key != (multicast.StreamKey{}) {
			r.group.Engine().EndPublish(now, r.key)
			r.key = multicast.StreamKey{}
		}
		return
	}
	n := r.count
	r.count++
	write := func(kind packager.MessageType, head string, size int) {
		body := append(make([]byte, 0, size), head...)
		for i := len(body); i < size; i++ {
			body = append(body, byte(n*7+i*13+i>>8))
		}
		if err := r.group.Engine().Write(now, r.key, packager.NewMessage(kind, uint32(20*n), body)); err != nil {
			r.t.Error(err)
		}
	}
	switch {
	case n%2 == 1:
		write(packager.MessageAudio, "\xaf\x01", 120)
	case n%50 == 0:
		write(packager.MessageVideo, "\x17\x00\x00\x00\x00\x01\x42\xc0\x0c", 40)
		write(packager.MessageAudio, "\xaf\x00\x12\x10", 4)
		size := 2500
		if n%200 == 0 {
			size = 200_000
		}
		write(packager.MessageVideo, "\x17\x01\x00\x00\x00", size)
	default:
		write(packager.MessageVideo, "\x27\x01\x00\x00\x00", 400)
	}
}

// HandleDatagrams notes what comes.
func (r *groupRun) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	if r.note != nil {
		for _, d := range batch {
			r.note("i %d %s %x", now, d.From, d.Data)
		}
	}
	r.Node.HandleDatagrams(now, batch)
}

// react takes the node's events.
func (r *groupRun) react(reliability.Time) bool {
	any := false
	for e, ok := r.PollEvent(); ok; e, ok = r.PollEvent() {
		any = true
		if e.Member.Kind != multicast.MemberStream || e.Member.Stream.Kind != multicast.EventMessage {
			continue
		}
		switch e.Member.Stream.Message.Type {
		case packager.MessageAudio:
			r.got.Audio++
		case packager.MessageVideo:
			r.got.Video++
		default:
			r.got.Data++
		}
	}
	return any
}

// result says what came of the run.
func (r *groupRun) result() replayed {
	info := r.group.Engine().Stats("cam")
	r.got.Pulled, r.got.Pushed = info.FragmentsRequestedByPeers, info.FragmentsPushedToPeers
	return r.got
}

// TestReplayGroups lets a node live once more through recorded groups with
// members of other makes: see testdata/replay/README.md.
func TestReplayGroups(t *testing.T) {
	if *recordName != "" {
		recordGroup(t, *recordName)
		return
	}
	files, err := filepath.Glob("testdata/replay/*.txt.gz")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt.gz"), func(t *testing.T) { replayGroup(t, file) })
	}
}

// drawn gives out recorded secrets. Reads of one size come in the recorded
// order, so that it does not matter how reads of different sizes mix.
type drawn struct{ list [][]byte }

// Read implements io.Reader.
func (d *drawn) Read(b []byte) (int, error) {
	for i, data := range d.list {
		if len(data) == len(b) {
			d.list = append(d.list[:i:i], d.list[i+1:]...)
			return copy(b, data), nil
		}
	}
	clear(b) // more than then, so for nothing that the others have seen
	return len(b), nil
}

func replayGroup(t *testing.T, name string) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var head replayHead
	secrets := map[string]*drawn{"secrets": {}, "endpoint": {}, "node": {}}
	var lines [][]string
	scanner := bufio.NewScanner(z)
	scanner.Buffer(nil, 1<<18)
	for scanner.Scan() {
		f := strings.Fields(scanner.Text())
		switch {
		case head.Role == "":
			err = json.Unmarshal(scanner.Bytes(), &head)
		case f[0] == "e":
			var data []byte
			data, err = hex.DecodeString(f[2])
			secrets[f[1]].list = append(secrets[f[1]].list, data)
		default:
			lines = append(lines, f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	r := newGroupRun(t, head, func(kind string) io.Reader { return secrets[kind] })
	r.drain(head.Start)
	for _, f := range lines {
		r.live(f)
	}
	got := r.result()
	got.check(t, &head.Want)
	t.Logf("%s with %s: %+v", head.Role, head.Peer, got)
}

// live does what a line of a recording says, when it is time.
func (r *groupRun) live(f []string) {
	r.t.Helper()
	at, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	now := reliability.Time(at)
	for due := r.PollTimeout(); due < now; due = r.PollTimeout() {
		r.HandleTimeout(due)
		r.drain(due)
	}
	if f[0] == "t" {
		r.tick(now)
		r.drain(now)
		return
	}
	data, err := hex.DecodeString(f[3])
	if err != nil {
		r.t.Fatal(err)
	}
	r.HandleDatagrams(now, []rtmfp.Datagram{{Data: data, From: netip.MustParseAddrPort(f[2]), To: r.head.Local[0]}})
	r.drain(now)
}

// drain polls the node until nothing more comes. What it sends goes nowhere.
func (r *groupRun) drain(now reliability.Time) {
	for again := true; again; {
		again = false
		for _, _, ok := r.PollTransmit(now, r.buf); ok; _, _, ok = r.PollTransmit(now, r.buf) {
		}
		for w, ok := r.PollWork(); ok; w, ok = r.PollWork() {
			r.HandleWork(now, rtmfp.WorkResult{ID: w.ID, Value: w.Compute()})
			again = true
		}
		again = r.react(now) || again
	}
}

// noting is secrets that are noted.
type noting struct {
	kind string
	note func(format string, args ...any)
}

// Read implements io.Reader.
func (n noting) Read(b []byte) (int, error) {
	_, err := rand.Read(b)
	n.note("e %s %x", n.kind, b)
	return len(b), err
}

// recordGroup runs a node among other programs and writes what happens.
func recordGroup(t *testing.T, role string) {
	t.Helper()
	config := udp.DefaultConfig()
	config.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	if role == "publish" {
		config.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:19372")}
	}
	driver, err := udp.Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	var lines []string
	note := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	head := replayHead{Peer: *recordPeer, Role: role, Introducer: netip.MustParseAddrPort(*recordAt), Local: driver.LocalAddrs(), Start: driver.Now()}
	r := newGroupRun(t, head, func(kind string) io.Reader { return noting{kind: kind, note: note} })
	r.note = note
	driver.Attach(r, r.react)
	length := replayPublish
	if role == "play" {
		length = replayPlay
	}
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- driver.Run(ctx) }()
	for ticker := time.NewTicker(replayTick); ; {
		select {
		case <-ticker.C:
			_ = driver.Do(r.tick)
			continue
		case err = <-done:
		}
		break
	}
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	r.head.Want = r.result()
	t.Logf("%+v", r.head.Want)
	file, err := os.Create(filepath.Join("testdata/replay", role+".txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, _ := gzip.NewWriterLevel(file, gzip.BestCompression)
	defer z.Close()
	first, err := json.Marshal(r.head)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(z, "%s\n%s\n", first, strings.Join(lines, "\n"))
}
