package rtsp

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// The pieces that requests are put together from, possible and impossible.
var (
	methods    = []string{"OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "SETUP", "SETUP", "PLAY", "PLAY", "PAUSE", "RECORD", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN", "NONSENSE"}
	targets    = []string{"/live/cam", "/live/cam/", "/live/cam/trackID=0", "/live/cam/trackID=1", "/live/cam/trackID=9", "/live/none", "/live/cam?x/trackID=0", "*", "", "/"}
	transports = []string{
		"RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=2-3", "RTP/AVP/TCP;unicast;interleaved=254-255", "RTP/AVP/TCP;unicast",
		"RTP/AVP;unicast;client_port=40000-40001", "RTP/AVP/UDP;unicast;client_port=0-0", "RTP/AVP;unicast", "RTP/AVP;multicast", "RTP/AVP/UDP;multicast;client_port=1-2",
		"RTP/AVP/TCP;unicast;interleaved=0-1;mode=record", "RTP/AVP;unicast;client_port=40002-40003;mode=record", "nonsense", "RTP/AVP/TCP;interleaved=-1-999",
	}
	bodies = []string{
		"", "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n",
		"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\na=fmtp:97 config=11\r\n", "nonsense",
	}
)

// randomRequests is a run of requests as one connection would send them.
func randomRequests(random *rand.Rand, address string) string {
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	var b strings.Builder
	for i := range 1 + random.IntN(8) {
		body := ""
		if random.IntN(3) == 0 {
			body = pick(bodies)
		}
		fmt.Fprintf(&b, "%s rtsp://%s%s RTSP/1.0\r\nCSeq: %d\r\n", pick(methods), address, pick(targets), i+1)
		if random.IntN(4) > 0 {
			fmt.Fprintf(&b, "Transport: %s\r\n", pick(transports))
		}
		if random.IntN(6) == 0 {
			fmt.Fprintf(&b, "Session: %s\r\n", pick([]string{"1", "", "ABC"}))
		}
		if body != "" {
			fmt.Fprintf(&b, "Content-Type: application/sdp\r\nContent-Length: %d\r\n", len(body))
		}
		fmt.Fprintf(&b, "\r\n%s", body)
		if random.IntN(4) == 0 { // an interleaved frame in between
			fmt.Fprintf(&b, "$%c\x00\x04abcd", random.IntN(256))
		}
	}
	return b.String()
}

// No order of requests brings the server down; a player that plays meanwhile
// gets every picture.
func TestRequestsInAnyOrder(t *testing.T) {
	s, sink, address := serve(t)
	good := dial(t, address)
	good.playTCP()
	const pictures, runs = 300, 600
	got := make(chan []int, 1)
	go func() { got <- good.pictures(pictures) }()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range runs {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("seed %d: the server is gone: %v", seed, err)
		}
		_, _ = io.WriteString(conn, randomRequests(random, address))
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
		if i%2 == 0 {
			sink.WriteEvent(picture(i/2, 40_000))
		}
	}
	if all := <-got; len(all) != pictures {
		t.Errorf("seed %d: the player got %d pictures of %d", seed, len(all), pictures)
	}
	waitFor(t, 10*time.Second, "all others have left", func() bool { return s.Readers("live/cam") <= 1 })
}
