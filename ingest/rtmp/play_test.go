package rtmp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// fakePlayer has one stream, live/cam, of the given messages.
type fakePlayer struct {
	messages []packager.Message
	// endless repeats the messages for ever.
	endless bool

	mu      sync.Mutex
	viewers []*fakeViewer
}

func (p *fakePlayer) Play(_ context.Context, path string) (Viewer, error) {
	if path != "live/cam" {
		return nil, errors.New("no such stream")
	}
	v := &fakeViewer{player: p, closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.viewers = append(p.viewers, v)
	return v, nil
}

type fakeViewer struct {
	player *fakePlayer
	next   int
	closed chan struct{}

	mu           sync.Mutex
	audio, video bool
}

func (v *fakeViewer) Next(ctx context.Context, dst []packager.Message) ([]packager.Message, error) {
	if v.next >= len(v.player.messages) {
		if !v.player.endless {
			return dst, io.EOF
		}
		v.next = 0
	}
	end := min(v.next+7, len(v.player.messages))
	dst = append(dst, v.player.messages[v.next:end]...)
	v.next = end
	return dst, ctx.Err()
}

func (v *fakeViewer) Select(audio, video bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.audio, v.video = audio, video
}

func (v *fakeViewer) selected() (audio, video bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.audio, v.video
}

func (v *fakeViewer) Close() { close(v.closed) }

// play sends what players send and does not wait in between.
func (c *client) play(t testing.TB, app, name string) {
	t.Helper()
	err := c.writer.write(
		call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.String(app)})),
		control(typeWindowAckSize, ackWindow),
		call(3, 0, "createStream", 2, amf0.Null()),
		call(8, 0, "getStreamLength", 3, amf0.Null(), amf0.String(name)),
		call(8, 1, "play", 4, amf0.Null(), amf0.String(name), amf0.Number(-2000)),
		userControl(eventSetBuffer, 1, 3000))
	if err != nil {
		t.Fatal(err)
	}
}

// A player is told that its stream begins, gets every message with its time and
// its bytes, those longer than a chunk too, and is told of the end.
func TestPlay(t *testing.T) {
	tags := clipTags(t, 300)
	long := packager.NewMessage(packager.MessageVideo, 0x1000001, bytes.Repeat([]byte{0x27, 1, 0, 0, 0, 7}, 40_000))
	tags = append(tags, long)
	tags[5].HeaderLen = uint8(copy(tags[5].Header[:], tags[5].Payload[:5])) // a shared payload behind a header
	tags[5].Payload = tags[5].Payload[5:]
	_, address := startPlaying(t, "", &fakePlayer{messages: tags})
	c := dial(t, address)
	c.play(t, "live", "cam?token=x")
	var codes []string
	var got []message
	begun, ended := false, false
	for {
		m, err := c.reader.read()
		if err != nil {
			break
		}
		switch m.kind {
		case typeAudio, typeVideo, typeDataAMF0:
			if m.stream != 1 {
				t.Fatalf("media on message stream %d", m.stream)
			}
			got = append(got, m)
		case typeCommandAMF0:
			if cmd, err := parseCommand(m); err == nil && cmd.name == "onStatus" {
				codes = append(codes, cmd.arguments[1].Text("code"))
			}
		case typeUserControl:
			begun = begun || bytes.Equal(m.body, []byte{0, eventStreamBegin, 0, 0, 0, 1})
			ended = ended || bytes.Equal(m.body, []byte{0, eventStreamEOF, 0, 0, 0, 1})
		}
	}
	want := []string{"NetStream.Play.Reset", "NetStream.Play.Start", "NetStream.Play.UnpublishNotify", "NetStream.Play.Stop"}
	if !slices.Equal(codes, want) || !begun || !ended {
		t.Errorf("told %v, begin %v, end %v", codes, begun, ended)
	}
	if len(got) != len(tags)+2 {
		t.Fatalf("%d messages, want |RtmpSampleAccess, the data start and %d", len(got), len(tags))
	}
	for i, m := range got[2:] {
		if byte(tags[i].Type) != m.kind || tags[i].Timestamp != m.timestamp || !bytes.Equal(tags[i].AppendBody(nil), m.body) {
			t.Fatalf("message %d differs: type %d at %d, %d bytes; want type %d at %d, %d bytes",
				i, m.kind, m.timestamp, len(m.body), tags[i].Type, tags[i].Timestamp, tags[i].Len())
		}
	}
}

// What can't be played is refused with a reason.
func TestPlayRefused(t *testing.T) {
	tests := []struct {
		player          Player
		app, name, want string
	}{
		{nil, "live", "cam", "NetStream.Play.Failed"},
		{&fakePlayer{}, "live", "other", "NetStream.Play.StreamNotFound"},
		{&fakePlayer{}, "live", "../cam", "NetStream.Play.StreamNotFound"},
	}
	for _, tt := range tests {
		_, address := startPlaying(t, "", tt.player)
		c := dial(t, address)
		c.play(t, tt.app, tt.name)
		if code := c.status(t); code != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, code, tt.want)
		}
		if code := c.status(t); code != io.EOF.Error() {
			t.Errorf("%s: the connection goes on: %s", tt.name, code)
		}
	}
}

// A player pauses, chooses tracks, leaves by deleteStream, and may play again
// on the same connection.
func TestPlayControl(t *testing.T) {
	player := &fakePlayer{messages: clipTags(t, 50), endless: true}
	_, address := startPlaying(t, "", player)
	c := dial(t, address)
	go func() { // what it is sent
		for {
			if _, err := c.reader.read(); err != nil {
				return
			}
		}
	}()
	c.play(t, "live", "cam")
	viewer := func(i int) (v *fakeViewer) {
		waitFor(t, "the viewer", func() bool {
			player.mu.Lock()
			defer player.mu.Unlock()
			if len(player.viewers) > i {
				v = player.viewers[i]
			}
			return v != nil
		})
		return v
	}
	first := viewer(0)
	steps := []struct {
		command      string
		on           bool
		audio, video bool
	}{
		{"pause", true, false, false},
		{"pause", false, true, true},
		{"receiveAudio", false, false, true},
		{"receiveVideo", false, false, false},
		{"receiveVideo", true, false, true},
		{"receiveAudio", true, true, true},
	}
	for _, step := range steps {
		if err := c.writer.write(call(8, 1, step.command, 0, amf0.Null(), amf0.Bool(step.on), amf0.Number(0))); err != nil {
			t.Fatal(err)
		}
		waitFor(t, step.command, func() bool {
			audio, video := first.selected()
			return audio == step.audio && video == step.video
		})
	}
	if err := c.writer.write(call(3, 0, "deleteStream", 0, amf0.Null(), amf0.Number(1)), call(8, 1, "play", 0, amf0.Null(), amf0.String("cam"))); err != nil {
		t.Fatal(err)
	}
	<-first.closed
	second := viewer(1)
	_ = c.conn.Close()
	<-second.closed
}

// A player that takes nothing is sent away after a while; until then it keeps
// nothing but its own connection busy.
func TestPlayerThatTakesNothing(t *testing.T) {
	t.Parallel()
	player := &fakePlayer{messages: clipTags(t, 200), endless: true}
	const within = time.Second
	_, address := startWith(t, ingest.DefaultConfig(), player, func(s *Server) { s.writeWithin = within })
	c := dial(t, address)
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096)
	}
	c.play(t, "live", "cam")
	waitFor(t, "the viewer", func() bool {
		player.mu.Lock()
		defer player.mu.Unlock()
		return len(player.viewers) == 1
	})
	select {
	case <-player.viewers[0].closed:
	case <-time.After(within + 5*time.Second):
		t.Error("the player was not sent away")
	}
}
