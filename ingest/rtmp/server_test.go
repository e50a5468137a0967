package rtmp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/ingest"
	ingestflv "github.com/ringcast/ringcast/ingest/flv"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// counter is an Output that counts messages by stream.
type counter struct {
	mu       sync.Mutex
	messages map[string]int
}

func (c *counter) WriteMessage(stream string, _ packager.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages[stream]++
}
func (c *counter) EndStream(string) {}

func (c *counter) count(stream string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages[stream]
}

// start runs a server on loopback until the test ends.
func start(t testing.TB, key string) (*counter, string) {
	t.Helper()
	return startPlaying(t, key, nil)
}

// startPlaying is start with a player.
func startPlaying(t testing.TB, key string, player Player) (*counter, string) {
	t.Helper()
	config := ingest.DefaultConfig()
	config.Key = key
	return startWith(t, config, player)
}

// startWith is start with these settings.
func startWith(t testing.TB, config ingest.Config, player Player, change ...func(*Server)) (*counter, string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	out := &counter{messages: make(map[string]int)}
	server := NewServer(ingest.NewRegistry(config, out, log), player, log)
	for _, f := range change {
		f(server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return out, l.Addr().String()
}

// client is a publisher made of the package's own parts.
type client struct {
	conn   net.Conn
	reader *chunkReader
	writer *chunkWriter
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	r := bufio.NewReader(conn)
	if err := dialHandshake(readWriter{r, conn}); err != nil {
		t.Fatal(err)
	}
	return &client{conn, newChunkReader(r), newChunkWriter(conn)}
}

// publish sends what encoders send, without waiting in between, and returns
// the code of the answer to publish.
func (c *client) publish(t testing.TB, app, name string) string {
	t.Helper()
	err := c.writer.write(
		call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.String(app)}, amf0.Property{Name: "fourCcList", Value: amf0.StrictArray(amf0.String("av01"))})),
		call(3, 0, "releaseStream", 2, amf0.Null(), amf0.String(name)),
		call(3, 0, "FCPublish", 3, amf0.Null(), amf0.String(name)),
		call(3, 0, "createStream", 4, amf0.Null()),
		call(8, 1, "publish", 5, amf0.Null(), amf0.String(name), amf0.String("live")))
	if err != nil {
		t.Fatal(err)
	}
	return c.status(t)
}

// status reads on to the next onStatus and returns its code, or the error.
func (c *client) status(t testing.TB) string {
	t.Helper()
	for {
		m, err := c.reader.read()
		if err != nil {
			return err.Error()
		}
		if m.kind != typeCommandAMF0 {
			continue
		}
		cmd, err := parseCommand(m)
		if err != nil {
			t.Fatal(err)
		}
		if cmd.name == "onStatus" {
			return cmd.arguments[1].Text("code")
		}
	}
}

// send publishes the first n tags of the clip.
func (c *client) send(t testing.TB, n int) {
	t.Helper()
	for _, m := range clipTags(t, n) {
		if err := c.writer.write(message{kind: byte(m.Type), timestamp: m.Timestamp, stream: 1, chunks: 6, body: m.Payload}); err != nil {
			t.Fatal(err)
		}
	}
}

func clipTags(t testing.TB, n int) []packager.Message {
	t.Helper()
	f, err := openClip()
	if err != nil {
		t.Fatal(err)
	}
	r := ingestflv.NewReader(bytes.NewReader(f))
	var all []packager.Message
	for range n {
		m, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func waitFor(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestPublish(t *testing.T) {
	out, address := start(t, "")
	c := dial(t, address)
	if code := c.publish(t, "live", "cam"); code != "NetStream.Publish.Start" {
		t.Fatalf("publish: %s", code)
	}
	c.send(t, 300)
	waitFor(t, "messages in the registry", func() bool { return out.count("live/cam") >= 200 })
	if err := c.writer.write(call(3, 1, "deleteStream", 0, amf0.Null(), amf0.String("cam"))); err != nil {
		t.Fatal(err)
	}
	if code := c.status(t); code != "NetStream.Unpublish.Success" {
		t.Errorf("deleteStream by name: %s", code)
	}
}

func TestKeys(t *testing.T) {
	_, address := start(t, "a+b/c")
	tests := []struct{ app, name, want string }{
		{"live", "cam?key=a+b/c", "NetStream.Publish.Start"},
		{"live?key=a%2Bb%2Fc", "cam2", "NetStream.Publish.Start"},
		{"live", "cam3?x=1&key=a+b/c", "NetStream.Publish.Start"},
		{"live", "cam4", "NetStream.Publish.BadName"},
		{"live", "cam5?key=wrong", "NetStream.Publish.BadName"},
		{"live", "../etc?key=a+b/c", "NetStream.Publish.BadName"},
	}
	for _, tt := range tests {
		if got := dial(t, address).publish(t, tt.app, tt.name); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.app, tt.name, got, tt.want)
		}
	}
}

// An encoder that comes back with the key takes the stream over at once; the
// half-open old connection learns why it ends. A third within the next moment
// is refused, so that two encoders do not flap.
func TestTakeover(t *testing.T) {
	t.Parallel()
	_, address := start(t, "k")
	first := dial(t, address)
	if code := first.publish(t, "live", "cam?key=k"); code != "NetStream.Publish.Start" {
		t.Fatal(code)
	}
	if code := dial(t, address).publish(t, "live", "cam?key=k"); code != "NetStream.Publish.BadName" {
		t.Errorf("takeover right after the first came: %s", code)
	}
	time.Sleep(2 * time.Second)
	began := time.Now()
	if code := dial(t, address).publish(t, "live", "cam?key=k"); code != "NetStream.Publish.Start" {
		t.Fatalf("takeover: %s", code)
	}
	if code := first.status(t); code != "NetStream.Publish.BadName" {
		t.Errorf("the old publisher is told %s", code)
	}
	if code := first.status(t); !strings.Contains(code, "EOF") {
		t.Errorf("the old connection goes on: %s", code)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("takeover took %v", d)
	}
}

func TestStreamPath(t *testing.T) {
	tests := []struct{ app, tcURL, name, path, key string }{
		{"live", "", "stream", "live/stream", ""},
		{"live/str", "", "eam?key=a/b&x=1", "live/str/eam", "a/b"},
		{"a/b", "", "c/d?x=y", "a/b/c/d", ""},
		{"a/b/c", "", "d?x=y", "a/b/c/d", ""},
		{"live/", "", "/cam/", "live/cam", ""},
		{"live", "rtmp://h/live?key=K", "cam", "live/cam", "K"},
		{"live?key=K", "", "cam", "live/cam", "K"},
		{"live", "", "mp4:cam", "live/cam", ""},
		{"live", "", "c%20m", "live/c m", ""},
		{"", "", "cam", "live/cam", ""},
		{"cam", "", "", "live/cam", ""},
		{"cam", "", "?key=K", "live/cam", "K"},
	}
	for _, tt := range tests {
		path, query, err := streamPath(tt.app, tt.tcURL, tt.name)
		key := query.get("key")
		if path != tt.path || key != tt.key || err != nil {
			t.Errorf("%q %q %q: %q, %q, %v; want %q, %q", tt.app, tt.tcURL, tt.name, path, key, err, tt.path, tt.key)
		}
	}
	for _, name := range []string{"%2e%2e/x", "a\x00b", strings.Repeat("x", 300), "a%00b"} {
		if path, _, err := streamPath("live", "", name); err == nil {
			t.Errorf("%q is accepted as %q", name, path)
		}
	}
}

// hostile are inputs after the handshake that have broken other servers.
func hostile(t testing.TB) map[string][]byte {
	pack := func(messages ...message) []byte {
		var b bytes.Buffer
		w := newChunkWriter(&b)
		if err := w.write(messages...); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	raw := func(kind byte, body string) message {
		return message{kind: kind, stream: 1, chunks: 3, body: unhex(t, body)}
	}
	connect := call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.String("live")}))
	publish := call(8, 1, "publish", 5, amf0.Null(), amf0.String("h"), amf0.String("live"))
	return map[string][]byte{
		"empty message of an unknown type": append(pack(raw(99, "")), 0xaa),
		"chunk size 0":                     append(unhex(t, "02 000000 000004 01 00000000 00000000"), pack(connect)...),
		"empty audio, video and command":   pack(connect, publish, raw(typeAudio, ""), raw(typeVideo, ""), raw(typeCommandAMF0, "")),
		"app is a number":                  pack(call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.Number(1)})), publish),
		"app is null":                      pack(call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.Null()})), publish),
		"connect without an object":        pack(call(3, 0, "connect", 1)),
		"nested objects and arrays":        pack(call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "a", Value: amf0.Object(amf0.Property{Name: "b", Value: amf0.StrictArray(amf0.Null())})}))),
		"play without arguments":           pack(connect, call(8, 1, "play", 2)),
		"play, pause and publish":          pack(connect, call(8, 1, "play", 2, amf0.Null(), amf0.String("cam")), call(8, 1, "pause", 0, amf0.Null(), amf0.Bool(true)), call(8, 1, "receiveAudio", 0, amf0.Null()), publish),
		"play nothing, twice":              pack(connect, call(8, 1, "play", 2, amf0.Null(), amf0.Bool(false)), call(8, 1, "play", 2, amf0.Null(), amf0.String("cam")), call(8, 1, "play", 2, amf0.Null(), amf0.String("cam"))),
		"pause before play":                pack(connect, call(8, 1, "pause", 0), call(8, 1, "receiveVideo", 0, amf0.Null(), amf0.Number(1))),
		"publish without arguments":        pack(connect, call(8, 1, "publish", 2)),
		"publish before connect":           pack(publish),
		"createStream with a string":       pack(connect, message{kind: typeCommandAMF0, chunks: 3, body: amf0.Append(nil, amf0.String("createStream"), amf0.String("x"))}),
		"string beyond the message":        pack(raw(typeCommandAMF0, "02 ffff 61")),
		"unknown codecs":                   pack(connect, publish, raw(typeVideo, "90 61763031 81"), raw(typeAudio, "b2 00"), raw(typeAudio, "90 4f707573")),
		"cut off configurations":           pack(connect, publish, raw(typeVideo, "17 00 000000 01 64"), raw(typeVideo, "1c 00 000000 01"), raw(typeAudio, "af 00")),
		"NAL longer than its tag":          pack(connect, publish, raw(typeVideo, "17 01 000000 ffffffff 65")),
		"sequence end of enhanced HEVC":    pack(connect, publish, raw(typeVideo, "92 68766331")),
		"time over 4 h 39 min":             pack(connect, publish, message{kind: typeAudio, timestamp: 0x1000000, stream: 1, chunks: 4, body: make([]byte, 601)}),
		"aggregate of nonsense":            pack(connect, publish, raw(typeAggregate, "08 ffffff 000000 00 000000"), raw(typeAggregate, "00")),
		"many streams":                     pack(append([]message{connect}, manyStreams()...)...),
		"challenge and answer":             pack(call(3, 0, "connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.String("live?authmod=adobe&user=me&challenge=1&response=x&opaque=y")}, amf0.Property{Name: "type", Value: amf0.String("nonprivate")}))),
		"connect twice":                    pack(connect, connect),
		"short controls":                   pack(connect, raw(typeUserControl, "00"), raw(typeUserControl, "0006"), raw(typeAck, ""), raw(typeWindowAckSize, "")),
		"AMF3 command":                     pack(raw(typeCommandAMF3, "00"), raw(typeCommandAMF3, "")),
		"AMF3 data":                        pack(connect, publish, raw(typeDataAMF3, ""), raw(typeDataAMF3, "00")),
		"random":                           randomBytes(5000),
	}
}

func manyStreams() (all []message) {
	for i := range 40 {
		all = append(all, call(3, 0, "createStream", float64(i+2), amf0.Null()))
	}
	return all
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// Nothing that a stranger sends disturbs the stream of another publisher.
func TestHostileInput(t *testing.T) {
	out, address := start(t, "")
	good := dial(t, address)
	if code := good.publish(t, "live", "good"); code != "NetStream.Publish.Start" {
		t.Fatal(code)
	}
	for name, input := range hostile(t) {
		c := dial(t, address)
		_, _ = c.conn.Write(input)
		_ = c.conn.(*net.TCPConn).CloseWrite()
		_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c.conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("%s: the server neither answers nor closes", name)
		}
		_ = c.conn.Close()
	}
	good.send(t, 300)
	waitFor(t, "messages of the other publisher", func() bool { return out.count("live/good") >= 200 })
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// A thousand connections that say nothing cost little and do not keep a
// publisher out.
func TestSilentConnections(t *testing.T) {
	out, address := start(t, "")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 1000 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	good := dial(t, address)
	if code := good.publish(t, "live", "good"); code != "NetStream.Publish.Start" {
		t.Fatal(code)
	}
	good.send(t, 300)
	waitFor(t, "messages of the publisher", func() bool { return out.count("live/good") >= 200 })
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse); grown > 64<<20 {
		t.Errorf("1000 silent connections cost %d MB", grown>>20)
	}
}

// A client with the digest form of the handshake gets a valid answer, in both
// layouts; one whose digest is wrong gets the simple form.
func TestDigestHandshake(t *testing.T) {
	for layout := range digestLayouts {
		c1 := randomBytes(handshakeLen)
		copy(c1[4:], []byte{9, 0, 0x7c, 2})
		at := digestAt(c1, layout)
		digest := digestOf(c1, at, clientKey)
		copy(c1[at:], digest)
		answer := shake(t, c1)
		s1, s2 := answer[1:1+handshakeLen], answer[1+handshakeLen:]
		at = digestAt(s1, layout)
		if !bytes.Equal(digestOf(s1, at, serverKey), s1[at:at+digestLen]) {
			t.Errorf("layout %d: the server's digest is wrong", layout)
		}
		key := hmac.New(sha256.New, []byte(serverKey+keyRest))
		key.Write(digest)
		proof := hmac.New(sha256.New, key.Sum(nil))
		proof.Write(s2[:handshakeLen-digestLen])
		if !bytes.Equal(proof.Sum(nil), s2[handshakeLen-digestLen:]) {
			t.Errorf("layout %d: the server's proof is wrong", layout)
		}
		c1[at] ^= 1
		c1[1000] ^= 1
		if answer := shake(t, c1); !bytes.Equal(answer[1+handshakeLen+8:], c1[8:]) {
			t.Errorf("layout %d: a wrong digest is not answered by an echo", layout)
		}
	}
}

// shake hands C0 and C1 to the server, with C2 in one-byte pieces behind.
func shake(t *testing.T, c1 []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	in := io.MultiReader(bytes.NewReader([]byte{version}), bytes.NewReader(c1), bytes.NewReader(make([]byte, handshakeLen)))
	err := serveHandshake(struct {
		io.Reader
		io.Writer
	}{oneByte{in}, &out})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// A source pulls from a server that this test plays.
func TestPull(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tags := clipTags(t, 300)
	asked := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		playTo(conn, tags, asked)
	}()
	var sink sampleCounter
	err = Source{URL: "rtmp://" + l.Addr().String() + "/live/cam?token=x"}.Run(t.Context(), &sink)
	if !errors.Is(err, errStreamEnded) || sink.samples < 280 || len(sink.tracks) != 2 {
		t.Errorf("Run = %v after %d samples of %d tracks", err, sink.samples, len(sink.tracks))
	}
	if name := <-asked; name != "cam?token=x" {
		t.Errorf("the server is asked for %q", name)
	}
	for _, url := range []string{"rtmp://127.0.0.1:1/live/cam?key=secret", "rtmp://[x/live/cam?key=secret", "rtmp://host"} {
		if err := (Source{URL: url}).Run(t.Context(), &sink); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

type sampleCounter struct {
	tracks  []packager.Track
	samples int
}

func (c *sampleCounter) SetTracks(tracks []packager.Track) error { c.tracks = tracks; return nil }
func (c *sampleCounter) WriteSample(packager.Sample) error       { c.samples++; return nil }

// playTo is a small server for one player.
func playTo(conn net.Conn, tags []packager.Message, asked chan<- string) {
	r := bufio.NewReader(conn)
	if serveHandshake(readWriter{r, conn}) != nil {
		return
	}
	reader, writer := newChunkReader(r), newChunkWriter(conn)
	for {
		m, err := reader.read()
		if err != nil {
			return
		}
		c, err := parseCommand(m)
		if m.kind != typeCommandAMF0 || err != nil {
			continue
		}
		switch c.name {
		case "connect":
			_ = writer.write(control(typeSetChunkSize, 4096), call(3, 0, "_result", 1, amf0.Null(), information("status", "NetConnection.Connect.Success", "")))
		case "createStream":
			_ = writer.write(call(3, 0, "_result", c.transaction, amf0.Null(), amf0.Number(1)))
		case "play":
			asked <- c.text(1)
			for _, tag := range tags {
				_ = writer.write(message{kind: byte(tag.Type), timestamp: tag.Timestamp, stream: 1, chunks: 6, body: tag.Payload})
			}
			_ = writer.write(status(1, "status", "NetStream.Play.UnpublishNotify", ""))
		}
	}
}

// FuzzSession feeds a publisher's bytes after the handshake to a session.
func FuzzSession(f *testing.F) {
	for _, input := range hostile(f) {
		f.Add(input, false)
		f.Add(input, true)
	}
	log := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, b []byte, account bool) {
		config := ingest.DefaultConfig()
		config.Grace = 0
		if account {
			config.Account = ingest.Account{User: "me", Password: "p"}
		}
		server := NewServer(ingest.NewRegistry(config, &counter{messages: make(map[string]int)}, log), &fakePlayer{}, log)
		server.lastWords = 0 // nobody listens
		conn := &deafConn{r: bytes.NewReader(b)}
		input := &countingConn{Conn: conn}
		ctx, cancel := context.WithCancel(t.Context())
		s := &session{
			ctx: ctx, server: server, conn: conn, input: input, reader: newChunkReader(bufio.NewReader(input)), writer: newChunkWriter(input),
			published: make(chan published, 100),
		}
		s.unpublish(s.loop())
		cancel()
		_ = s.stopPlaying()
	})
}

// deafConn is a connection that reads from a buffer and forgets what is
// written.
type deafConn struct {
	net.Conn
	r io.Reader
}

func (c *deafConn) Read(p []byte) (int, error)       { return c.r.Read(p) }
func (c *deafConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *deafConn) Close() error                     { return nil }
func (c *deafConn) SetReadDeadline(time.Time) error  { return nil }
func (c *deafConn) SetWriteDeadline(time.Time) error { return nil }
func (c *deafConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

func openClip() ([]byte, error) { return os.ReadFile("../file/clip.flv") }
