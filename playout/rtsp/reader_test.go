package rtsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
)

// serve runs a server with one stream of video and audio until the test ends.
func serve(t *testing.T) (s *Server, sink playout.Sink, address string) {
	t.Helper()
	return serveWith(t, 0)
}

// serveWith is serve with another time after which silent players are dropped;
// 0 leaves it to the library.
func serveWith(t *testing.T, sessionTimeout time.Duration) (s *Server, sink playout.Sink, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = New(DefaultConfig(), l, nil, slog.New(slog.DiscardHandler))
	if sessionTimeout > 0 {
		// The library has a field for its own tests, which takes a minute off
		// this one.
		field := reflect.ValueOf(s.rtsp).Elem().FieldByName("sessionTimeout")
		*(*time.Duration)(field.Addr().UnsafePointer()) = sessionTimeout
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	sink = s.Sink("live/cam")
	config := []byte{1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xe4, 1, 0, 4, 0x68, 0xce, 0x3c, 0x80}
	video, err := packager.NewTrack(packager.CodecH264, config)
	if err != nil {
		t.Fatal(err)
	}
	audio, err := packager.NewTrack(packager.CodecAAC, []byte{0x11, 0x90})
	if err != nil {
		t.Fatal(err)
	}
	sink.WriteEvent(packager.Event{Kind: packager.EventTracks, Tracks: []packager.Track{video, audio}})
	return s, sink, l.Addr().String()
}

// picture returns the event of a frame of some bytes, of which no start code
// or length is in the way.
func picture(i, size int) packager.Event {
	at := time.Duration(i) * 40 * time.Millisecond
	unit := append([]byte{0x41}, bytes.Repeat([]byte{byte(i) | 1}, size-1)...)
	if i%10 == 0 {
		unit[0] = 0x65
	}
	payload := append(binary.BigEndian.AppendUint32(nil, uint32(size)), unit...)
	return packager.Event{Kind: packager.EventSample, Sample: packager.Sample{Track: packager.TrackVideo, DTS: at, PTS: at, Key: i%10 == 0, Payload: payload}}
}

// player is a client made of nothing but a connection.
type player struct {
	t       *testing.T
	conn    net.Conn
	r       *bufio.Reader
	session string
	cseq    int
	sound   int          // packets on the channels of the second track
	seen    atomic.Int32 // pictures, so far
}

func dial(t *testing.T, address string) *player {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &player{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// request sends a request and returns the headers of the answer, which must be
// 200.
func (p *player) request(method, path, headers string) map[string]string {
	p.t.Helper()
	p.cseq++
	if p.session != "" {
		headers += "Session: " + p.session + "\r\n"
	}
	fmt.Fprintf(p.conn, "%s rtsp://%s/live/cam%s RTSP/1.0\r\nCSeq: %d\r\n%s\r\n", method, p.conn.RemoteAddr(), path, p.cseq, headers)
	_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := p.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "RTSP/1.0 200") {
		p.t.Fatalf("%s: %q, %v", method, line, err)
	}
	answer := make(map[string]string)
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatal(err)
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			break
		}
		answer[strings.ToLower(name)] = value
	}
	if n, _ := strconv.Atoi(answer["content-length"]); n > 0 {
		if _, err := io.CopyN(io.Discard, p.r, int64(n)); err != nil {
			p.t.Fatal(err)
		}
	}
	if s, _, _ := strings.Cut(answer["session"], ";"); s != "" {
		p.session = s
	}
	return answer
}

// playTCP plays both tracks over the connection itself.
func (p *player) playTCP() {
	p.t.Helper()
	p.request("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")
	p.request("SETUP", "/trackID=1", "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n")
	p.request("PLAY", "", "")
}

func waitFor(t *testing.T, limit time.Duration, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// A player over TCP that does not read loses whole access units, up to the next
// key frame, and never a part of an interleaved frame; others lose nothing.
func TestSlowReaderLosesWholeUnits(t *testing.T) {
	s, sink, address := serve(t)
	slow, quick := dial(t, address), dial(t, address)
	for _, p := range []*player{slow, quick} {
		p.playTCP()
	}
	waitFor(t, 5*time.Second, "both play", func() bool { return s.Readers("live/cam") == 2 })
	const pictures, size = 600, 40_000
	got := make(chan []int, 1)
	go func() { got <- quick.pictures(pictures) }()
	for i := range pictures {
		sink.WriteEvent(picture(i, size))
		// As fast as the quick player reads: 2 MB are less than its queue.
		waitFor(t, 20*time.Second, "the quick player reads", func() bool { return int(quick.seen.Load()) > i-50 })
	}
	if all := <-got; len(all) != pictures {
		t.Errorf("the quick player got %d pictures, want %d", len(all), pictures)
	}
	seen := slow.pictures(pictures)
	if len(seen) == 0 || len(seen) == pictures {
		t.Fatalf("the slow player got %d pictures of %d: nothing was to lose", len(seen), pictures)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] != seen[i-1]+1 && seen[i]%10 != 0 {
			t.Fatalf("after picture %d comes %d, which is no key frame", seen[i-1], seen[i])
		}
	}
	t.Logf("the slow player got %d pictures of %d", len(seen), pictures)
}

// The end of a stream closes the sessions only when its last frames are
// written, however many wait.
func TestEndComesAfterTheLastFrame(t *testing.T) {
	s, sink, address := serve(t)
	p := dial(t, address)
	if err := p.conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	p.playTCP()
	waitFor(t, 5*time.Second, "it plays", func() bool { return s.Readers("live/cam") == 1 })
	const pictures = 100 // 4 MB: more than the sockets take, less than the queue
	for i := range pictures {
		sink.WriteEvent(picture(i, 40_000))
	}
	sink.WriteEvent(packager.Event{Kind: packager.EventEnd})
	time.Sleep(100 * time.Millisecond) // in which a session that does not wait is closed
	if got := p.pictures(pictures); len(got) != pictures {
		t.Errorf("%d pictures came before the end, want %d", len(got), pictures)
	}
}

// A client that sets up one track of two gets that one alone.
func TestOneTrackOfTwo(t *testing.T) {
	s, sink, address := serve(t)
	p := dial(t, address)
	p.request("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")
	p.request("PLAY", "", "")
	waitFor(t, 5*time.Second, "it plays", func() bool { return s.Readers("live/cam") == 1 })
	for i := range 50 {
		sink.WriteEvent(picture(i, 40_000))
		at := time.Duration(i) * 40 * time.Millisecond
		sink.WriteEvent(packager.Event{Kind: packager.EventSample, Sample: packager.Sample{Track: packager.TrackAudio, DTS: at, PTS: at, Key: true, Payload: []byte{0x21, 0x10}}})
	}
	if got := p.pictures(50); len(got) != 50 {
		t.Errorf("%d pictures came, want 50", len(got))
	}
	if p.sound > 0 {
		t.Errorf("%d packets of sound came, which was not set up", p.sound)
	}
}

// Dates follow the publisher's clock by little steps; the reports of one epoch
// keep one mapping, or players would move their timestamps.
func TestReportsKeepTheirMapping(t *testing.T) {
	_, sink, address := serve(t)
	catalog := func(epoch uint64, wall int64) {
		sink.WriteEvent(packager.Event{Kind: packager.EventCatalog, Catalog: packager.Catalog{Epoch: epoch, Wall: wall}})
	}
	mapping := func() time.Duration {
		p := dial(t, address)
		p.playTCP()
		return p.reported()
	}
	catalog(1, 1_700_000_000_000)
	sink.WriteEvent(picture(0, 1000))
	first := mapping()
	catalog(1, 1_699_999_999_900)
	sink.WriteEvent(picture(1, 1000))
	if d := mapping() - first; d.Abs() > time.Millisecond {
		t.Errorf("the reports moved by %v within an epoch, want 0", d)
	}
	catalog(2, 1_700_000_005_000)
	sink.WriteEvent(picture(2, 1000))
	if d := mapping() - first; (d - 5*time.Second).Abs() > time.Millisecond {
		t.Errorf("the reports moved by %v with a new epoch, want 5 s", d)
	}
}

// reported reads up to the first sender report of the video, and returns its
// wall clock less its RTP time.
func (p *player) reported() time.Duration {
	p.t.Helper()
	for {
		_ = p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		head := make([]byte, 4)
		if _, err := io.ReadFull(p.r, head); err != nil {
			p.t.Fatal(err)
		}
		packet := make([]byte, int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(p.r, packet); err != nil {
			p.t.Fatal(err)
		}
		if head[1] != 1 {
			continue
		}
		var sr rtcp.SenderReport
		if err := sr.Unmarshal(packet); err != nil {
			p.t.Fatal(err)
		}
		wall := time.Duration(sr.NTPTime>>32)*time.Second + time.Duration((sr.NTPTime&0xffffffff)*1e9>>32)
		return wall - time.Duration(sr.RTPTime)*time.Second/90000
	}
}

// pictures reads interleaved frames up to the last of so many pictures, and
// returns the numbers of those that came, each of them whole.
func (p *player) pictures(n int) (numbers []int) {
	var first uint32
	begun, open := false, 0
	for {
		_ = p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		head := make([]byte, 4)
		if _, err := io.ReadFull(p.r, head); err != nil {
			p.t.Errorf("after %d pictures: %v", len(numbers), err)
			return numbers
		}
		packet := make([]byte, int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(p.r, packet); err != nil || head[0] != '$' || head[1] > 3 {
			p.t.Errorf("the interleaving is broken: % x, %v", head, err)
			return numbers
		}
		if head[1] >= 2 {
			p.sound++
		}
		if head[1] != 0 || len(packet) < 14 {
			continue // sound, or a report
		}
		timestamp := binary.BigEndian.Uint32(packet[4:])
		if !begun {
			begun, first = true, timestamp
		}
		open += len(packet) - 12
		if packet[1]&0x80 == 0 {
			continue
		}
		number := int(timestamp-first) / 3600
		if open < 40_000 {
			p.t.Errorf("picture %d has only %d bytes", number, open)
		}
		open = 0
		p.seen.Add(1)
		if numbers = append(numbers, number); number == n-1 {
			return numbers
		}
	}
}

// A player over UDP that says nothing for the time of a session is dropped; one
// that sends receiver reports is not.
func TestSilentUDPPlayerIsDropped(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	s, sink, address := serveWith(t, timeout)
	sink.WriteEvent(picture(0, 1000))
	play := func() net.PacketConn {
		media, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = media.Close() })
		port := media.LocalAddr().(*net.UDPAddr).Port
		p := dial(t, address)
		answer := p.request("SETUP", "/trackID=0", fmt.Sprintf("Transport: RTP/AVP;unicast;client_port=%d-%d\r\n", port-1, port))
		p.request("PLAY", "", "")
		_, ports, _ := strings.Cut(answer["transport"], "server_port=")
		_, control, _ := strings.Cut(strings.SplitN(ports, ";", 2)[0], "-")
		to, err := net.ResolveUDPAddr("udp", "127.0.0.1:"+control)
		if err != nil {
			t.Fatal(err)
		}
		go p.keepSilent()
		return &towards{media, to}
	}
	_, speaking := play(), play()
	waitFor(t, 5*time.Second, "both play", func() bool { return s.Readers("live/cam") == 2 })
	report := []byte{0x80, 0xc9, 0, 1, 0, 0, 0, 0}
	began := time.Now()
	waitFor(t, 20*time.Second, "the silent player is dropped", func() bool {
		_, _ = speaking.WriteTo(report, nil)
		return s.Readers("live/cam") < 2
	})
	if n := s.Readers("live/cam"); n != 1 {
		t.Fatalf("%d players are left, want the one that speaks", n)
	}
	if d := time.Since(began); d < timeout/2 {
		t.Errorf("it was dropped after %v", d)
	}
	// Whoever speaks stays, for longer than the silent one did.
	for end := time.Now().Add(timeout + time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		_, _ = speaking.WriteTo(report, nil)
		if s.Readers("live/cam") != 1 {
			t.Fatal("the player that speaks is dropped too")
		}
	}
}

// keepSilent reads what comes and says nothing.
func (p *player) keepSilent() {
	_ = p.conn.SetReadDeadline(time.Time{})
	_, _ = io.Copy(io.Discard, p.r)
}

// towards sends everything to one address.
type towards struct {
	net.PacketConn
	to net.Addr
}

func (c *towards) WriteTo(b []byte, _ net.Addr) (int, error) { return c.PacketConn.WriteTo(b, c.to) }

// A player over UDP gets video from a key frame on: what came since the last
// one is sent if it is little, else the player waits for the next.
func TestUDPPlayerBeginsWithAKeyFrame(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 60_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			s, sink, address := serve(t)
			for i := range 5 {
				sink.WriteEvent(picture(i, size))
			}
			media, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer media.Close()
			port := media.LocalAddr().(*net.UDPAddr).Port
			p := dial(t, address)
			p.request("SETUP", "/trackID=0", fmt.Sprintf("Transport: RTP/AVP;unicast;client_port=%d-%d\r\n", port, port+1))
			p.request("PLAY", "", "")
			waitFor(t, 5*time.Second, "it plays", func() bool { return s.Readers("live/cam") == 1 })
			for i := 5; i <= 10; i++ {
				sink.WriteEvent(picture(i, 1000))
			}
			b := make([]byte, 2048)
			_ = media.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, _, err := media.ReadFrom(b)
			if err != nil || n < 13 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			// Parameter sets, alone or together, come before a key frame.
			if kind := b[12] & 0x1f; kind != 7 && kind != 24 {
				t.Errorf("the first packet has a NAL unit of type %d, want parameter sets", kind)
			}
		})
	}
}

// A stream without key frames is not withheld for ever.
func TestUDPReaderWithoutKeyFrames(t *testing.T) {
	r := &udpReader{want: wanted{true}, skipping: true}
	u := &unit{track: packager.TrackVideo, lane: &lane{}}
	for _, c := range []struct {
		at    time.Duration
		takes bool
	}{{time.Second, false}, {time.Second + cacheTime/2, false}, {time.Second + cacheTime, true}, {2*time.Second + cacheTime, true}} {
		u.dts = c.at
		if got := r.takes(u); got != c.takes {
			t.Errorf("at %v: %v, want %v", c.at, got, c.takes)
		}
	}
}
