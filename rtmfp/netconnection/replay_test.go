package netconnection_test

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	nc "github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

// TestReplay lets an endpoint live through recorded exchanges with other
// implementations: see testdata/replay/README.md.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/replay/*.txt.gz")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt.gz")
		t.Run(name, func(t *testing.T) { replay(t, readRecording(t, file)) })
	}
}

// recording is a file of testdata/replay.
type recording struct {
	Peer, Role string
	Want       struct {
		Audio, Video, Data, Messages, Played, Joined int
		Sum                                          string
	}
	entropy map[string][][]byte
	packets []recorded
}

type recorded struct {
	in   bool
	at   rtmfp.Instant
	far  netip.AddrPort
	data []byte
}

func readRecording(t *testing.T, name string) *recording {
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
	r := &recording{entropy: make(map[string][][]byte)}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<18)
	for first := true; lines.Scan(); first = false {
		if first {
			if err := json.Unmarshal(lines.Bytes(), r); err != nil {
				t.Fatal(err)
			}
			continue
		}
		f := strings.Fields(lines.Text())
		data, err := hex.DecodeString(f[len(f)-1])
		if err != nil {
			t.Fatal(err)
		}
		if f[0] == "e" {
			r.entropy[f[1]] = append(r.entropy[f[1]], data)
			continue
		}
		at, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		r.packets = append(r.packets, recorded{f[0] == "i", rtmfp.Instant(at), netip.MustParseAddrPort(f[2]), data})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return r
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
	// More than then: whatever it is for, it is not what the peer has seen.
	clear(b)
	return len(b), nil
}

// player is an endpoint that lives through a recording.
type player struct {
	*rtmfp.Endpoint
	t        *testing.T
	r        *recording
	now      rtmfp.Instant
	server   *nc.Server
	client   *nc.Client
	direct   *nc.Direct
	offer    *nc.Offer
	outs     []*rtmfp.SendFlow
	counts   map[uint8]int
	sum      hash.Hash
	messages int
	joined   int
	codes    []string
	buf      []byte
}

func replay(t *testing.T, r *recording) {
	t.Helper()
	p, err := profile.NewFlash(profile.FlashConfig{Server: r.Role == "serve", Entropy: &drawn{r.entropy["profile"]}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: &drawn{r.entropy["endpoint"]}})
	if err != nil {
		t.Fatal(err)
	}
	x := &player{Endpoint: e, t: t, r: r, counts: make(map[uint8]int), sum: sha256.New(), buf: make([]byte, 1<<16)}
	x.now = r.packets[0].at
	x.begin()
	x.drain()
	for _, packet := range r.packets {
		if !packet.in {
			continue
		}
		x.advance(packet.at)
		x.HandleDatagrams(x.now, []rtmfp.Datagram{{Data: packet.data, From: packet.far}})
		x.drain()
	}
	x.check()
}

// advance lets time pass.
func (x *player) advance(to rtmfp.Instant) {
	for next := x.PollTimeout(); next <= to; next = x.PollTimeout() {
		x.now = max(x.now, next)
		x.HandleTimeout(x.now)
		x.drain()
	}
	x.now = max(x.now, to)
}

func (x *player) drain() {
	for more := true; more; {
		more = false
		for _, _, ok := x.PollTransmit(x.now, x.buf); ok; _, _, ok = x.PollTransmit(x.now, x.buf) {
			more = true
		}
		for w, ok := x.PollWork(); ok; w, ok = x.PollWork() {
			x.HandleWork(x.now, rtmfp.WorkResult{ID: w.ID, Value: w.Compute()})
			more = true
		}
		for e, ok := x.PollEvent(); ok; e, ok = x.PollEvent() {
			x.handle(e)
			more = true
		}
		if x.react() {
			more = true
		}
	}
}

// begin does what the recorded program did first.
func (x *player) begin() {
	first := x.r.packets[0].far
	var err error
	switch x.r.Role {
	case "serve":
		x.server = nc.NewServer(x.Endpoint, nc.DefaultServerParams())
	case "echo":
		_, err = x.Open(x.now, profile.ServerEPD("rtmfp:"), []netip.AddrPort{first})
	case "play", "publish", "direct":
		uri := fmt.Sprintf("rtmfp://%v/live", first)
		if x.r.Role == "direct" {
			x.direct = nc.NewDirect(x.Endpoint)
			x.offer, err = x.direct.Publish("p2p")
		}
		x.client, _ = nc.NewClient(x.now, x.Endpoint, nc.ClientConfig{EPD: profile.ServerEPD(uri), Candidates: []netip.AddrPort{first}, URL: uri, App: "live"})
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *player) handle(e rtmfp.Event) {
	switch {
	case x.server != nil && x.server.HandleEvent(x.now, e):
	case x.client != nil && x.client.HandleEvent(x.now, e):
	case x.direct != nil && x.direct.HandleEvent(x.now, e):
	case x.r.Role == "echo":
		x.echo(e)
	}
}

// echo sends twenty messages on two flows, and compares what comes back.
func (x *player) echo(e rtmfp.Event) {
	message := func(i, k int) []byte {
		b := make([]byte, (i*10+k)*997%4000)
		for j := range b {
			b[j] = byte(i + k + j)
		}
		return b
	}
	switch e.Kind {
	case rtmfp.SessionOpened:
		for i := range 2 {
			f, err := e.Session.OpenFlow(x.now, rtmfp.FlowConfig{Metadata: fmt.Appendf(nil, "flow %d", i)})
			if err != nil {
				x.t.Fatal(err)
			}
			x.outs = append(x.outs, f)
			f.User = new(int)
			for k := range 10 {
				_ = f.Write(x.now, message(i, k), nil)
			}
		}
	case rtmfp.MessageReceived:
		f := e.Recv.Return()
		k := f.User.(*int)
		if want := message(int(f.ID())-2, *k); string(e.Data) != string(want) || e.Skipped {
			x.t.Errorf("message %d of flow %d comes back as %d bytes, want %d", *k, f.ID(), len(e.Data), len(want))
		}
		*k++
		if x.messages++; x.messages == 20 {
			for _, f := range x.outs {
				f.Close(x.now)
			}
		}
	}
}

// react takes the events of the layer above.
func (x *player) react() (any bool) {
	take := func(m nc.Message) {
		x.counts[m.Type]++
		x.sum.Write(m.Payload)
	}
	for x.server != nil {
		e, ok := x.server.PollEvent()
		if !ok {
			break
		}
		any = true
		if e.Kind == nc.StreamMessage {
			take(e.Message)
		}
	}
	for x.client != nil {
		e, ok := x.client.PollEvent()
		if !ok {
			break
		}
		any = true
		x.clientEvent(e, take)
	}
	for x.direct != nil {
		e, ok := x.direct.PollEvent()
		if !ok {
			break
		}
		any = true
		if e.Kind == nc.SubscriberJoined {
			x.joined++
		}
	}
	return any
}

func (x *player) clientEvent(e nc.ClientEvent, take func(m nc.Message)) {
	if e.Code != "" {
		x.codes = append(x.codes, e.Code)
	}
	switch {
	case e.Kind == nc.Connected && x.direct != nil:
		x.client.Session().SetAcceptForwarded(true)
	case e.Kind == nc.Connected:
		_, _ = x.client.CreateStream(x.now)
	case e.Kind == nc.StreamReady && x.r.Role == "play":
		_ = e.Stream.Play(x.now, "cam")
	case e.Kind == nc.StreamReady:
		_ = e.Stream.Publish(x.now, "two")
	case e.Kind == nc.MessageArrived:
		take(e.Message)
	}
}

// check compares what was understood with what was understood then.
func (x *player) check() {
	x.advance(x.now.Add(time.Second))
	want := &x.r.Want
	if x.counts[nc.TypeAudio] != want.Audio || x.counts[nc.TypeVideo] != want.Video || x.counts[nc.TypeData] != want.Data {
		x.t.Errorf("%s: %v of audio, video and data, want %d, %d, %d", x.r.Peer, x.counts, want.Audio, want.Video, want.Data)
	}
	if got := hex.EncodeToString(x.sum.Sum(nil)[:8]); want.Sum != "" && got != want.Sum {
		x.t.Errorf("the media have the sum %s, want %s", got, want.Sum)
	}
	if x.messages != want.Messages || x.joined != want.Joined {
		x.t.Errorf("%d messages and %d subscribers, want %d and %d", x.messages, x.joined, want.Messages, want.Joined)
	}
	if x.server != nil && int(x.server.Stats().Played) != want.Played {
		x.t.Errorf("%d played, want %d", x.server.Stats().Played, want.Played)
	}
	codes := map[string]string{"play": "NetStream.Play.Start", "publish": "NetStream.Publish.Start"}
	if code := codes[x.r.Role]; code != "" && !strings.Contains(strings.Join(x.codes, " "), code) {
		x.t.Errorf("the server said %v", x.codes)
	}
	stats := x.Stats()
	if stats.Malformed != 0 || stats.SessionsOpened == 0 || stats.Undecipherable > 2 {
		x.t.Errorf("%s: %+v", x.r.Peer, stats)
	}
}
