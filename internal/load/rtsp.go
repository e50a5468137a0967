package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// RTSPReader plays one stream by RTSP over TCP and throws it away. It is made
// to cost little, so that hundreds fit beside the server they load.
type RTSPReader struct {
	URL string
	// OnPacket, if set, sees every interleaved frame: the channel (even is
	// RTP) and the packet, borrowed for the call.
	OnPacket func(channel byte, packet []byte)
	// Dial connects to the server; nil is the plain way.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	cseq    int
	session string
}

// Run plays until ctx is done, which is not an error. It returns the number
// of bytes received.
func (r *RTSPReader) Run(ctx context.Context) (received int64, err error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return 0, err
	}
	dial := r.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", u.Host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	br := bufio.NewReaderSize(conn, 1<<16)
	if err := r.start(conn, br); err != nil {
		if ctx.Err() != nil {
			return 0, nil
		}
		return 0, err
	}
	for {
		n, err := r.readFrame(br)
		received += int64(n)
		if ctx.Err() != nil {
			return received, nil
		}
		if err != nil {
			return received, err
		}
	}
}

func (r *RTSPReader) start(conn net.Conn, br *bufio.Reader) error {
	sdp, base, err := r.request(conn, br, "DESCRIBE", r.URL, "Accept: application/sdp\r\n")
	if err != nil {
		return err
	}
	channel := 0
	for line := range strings.Lines(sdp) {
		control, ok := strings.CutPrefix(strings.TrimSpace(line), "a=control:")
		if !ok || control == "*" || channel == 0 && !strings.Contains(sdp[:strings.Index(sdp, line)], "m=") {
			continue
		}
		if !strings.Contains(control, "://") {
			control = strings.TrimSuffix(base, "/") + "/" + control
		}
		transport := fmt.Sprintf("Transport: RTP/AVP/TCP;unicast;interleaved=%d-%d\r\n", channel, channel+1)
		if _, _, err := r.request(conn, br, "SETUP", control, transport); err != nil {
			return err
		}
		channel += 2
	}
	if channel == 0 {
		return fmt.Errorf("%s: no track in the SDP", r.URL)
	}
	_, _, err = r.request(conn, br, "PLAY", base, "")
	return err
}

// request sends one request and returns the answer's body and base URL.
func (r *RTSPReader) request(conn net.Conn, br *bufio.Reader, method, target, headers string) (body, base string, err error) {
	r.cseq++
	if r.session != "" {
		headers += "Session: " + r.session + "\r\n"
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	defer conn.SetDeadline(time.Time{})
	if _, err := fmt.Fprintf(conn, "%s %s RTSP/1.0\r\nCSeq: %d\r\n%s\r\n", method, target, r.cseq, headers); err != nil {
		return "", "", err
	}
	for { // media may come before the answer to PLAY
		b, err := br.Peek(1)
		if err != nil {
			return "", "", err
		}
		if b[0] != '$' {
			break
		}
		if _, err := r.readFrame(br); err != nil {
			return "", "", err
		}
	}
	tp := textproto.NewReader(br)
	status, err := tp.ReadLine()
	if err != nil {
		return "", "", err
	}
	header, err := tp.ReadMIMEHeader()
	if err != nil {
		return "", "", err
	}
	n, _ := strconv.Atoi(header.Get("Content-Length"))
	content := make([]byte, min(max(n, 0), 1<<16))
	if _, err := io.ReadFull(br, content); err != nil {
		return "", "", err
	}
	if !strings.HasPrefix(status, "RTSP/1.0 200") {
		return "", "", fmt.Errorf("%s %s: %s", method, target, status)
	}
	r.session, _, _ = strings.Cut(header.Get("Session"), ";")
	base = header.Get("Content-Base")
	if base == "" {
		base = target
	}
	return string(content), base, nil
}

// readFrame reads one interleaved frame, or skips one line of text.
func (r *RTSPReader) readFrame(br *bufio.Reader) (int, error) {
	head, err := br.Peek(4)
	if err != nil {
		return 0, err
	}
	if head[0] != '$' {
		line, err := br.ReadSlice('\n')
		return len(line), err
	}
	channel, size := head[1], int(head[2])<<8|int(head[3])
	if r.OnPacket == nil {
		return br.Discard(4 + size)
	}
	frame, err := br.Peek(4 + size)
	if err != nil {
		return 0, err
	}
	r.OnPacket(channel, frame[4:])
	return br.Discard(4 + size)
}
