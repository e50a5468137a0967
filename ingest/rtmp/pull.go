package rtmp

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// Source pulls a stream from an RTMP server.
type Source struct {
	// URL is rtmp:// or rtmps://HOST[:PORT]/APP/STREAM.
	URL string
}

var _ ingest.Source = Source{}

// pullSilence is how long a server may send nothing.
const pullSilence = 15 * time.Second

var errStreamEnded = errors.New("the server ended the stream")

// target is a URL taken apart as RTMP needs it.
type target struct {
	secure                    bool
	address, app, tcURL, name string
}

func parseTarget(text string) (target, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return target{}, errors.New("source has an impossible URL") // it may hold a secret
	}
	t := target{secure: u.Scheme == "rtmps", address: u.Host}
	if u.Port() == "" {
		port := "1935"
		if t.secure {
			port = "443"
		}
		t.address = net.JoinHostPort(u.Hostname(), port)
	}
	path := strings.Trim(u.EscapedPath(), "/")
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		return target{}, errors.New("source needs an application and a stream name")
	}
	t.app, t.name = path[:at], path[at+1:]
	t.tcURL = u.Scheme + "://" + u.Host + "/" + t.app
	if u.RawQuery != "" {
		t.name += "?" + u.RawQuery
	}
	return t, nil
}

// Run plays the stream until it ends, which counts as broken: a live stream
// that ends may come back.
func (s Source) Run(ctx context.Context, sink ingest.Sink) error {
	t, err := parseTarget(s.URL)
	if err != nil {
		return err
	}
	conn, err := t.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	input := &countingConn{Conn: conn, perWrite: writeWithin}
	input.perRead.Store(int64(pullSilence))
	buffered := bufio.NewReaderSize(input, 64<<10)
	if err := dialHandshake(readWriter{buffered, input}); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	p := &puller{target: t, input: input, reader: newChunkReader(buffered), writer: newChunkWriter(input), media: newMediaReader(sink)}
	err = p.run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (t target) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: publishWithin}
	if t.secure {
		return (&tls.Dialer{NetDialer: dialer}).DialContext(ctx, "tcp", t.address)
	}
	return dialer.DialContext(ctx, "tcp", t.address)
}

// puller is the client's side of a connection that plays.
type puller struct {
	target
	input  *countingConn
	reader *chunkReader
	writer *chunkWriter
	media  *mediaReader
	window uint64 // the server wants to hear after so many bytes
}

// Transactions of the commands that we send.
const (
	transactionConnect = 1
	transactionCreate  = 2
)

func (p *puller) run() error {
	connect := amf0.Object(
		amf0.Property{Name: "app", Value: amf0.String(p.app)},
		amf0.Property{Name: "flashVer", Value: amf0.String("LNX 9,0,124,2")},
		amf0.Property{Name: "tcUrl", Value: amf0.String(p.tcURL)},
		amf0.Property{Name: "fpad", Value: amf0.Bool(false)},
		amf0.Property{Name: "capabilities", Value: amf0.Number(15)},
		amf0.Property{Name: "audioCodecs", Value: amf0.Number(4071)},
		amf0.Property{Name: "videoCodecs", Value: amf0.Number(252)},
		amf0.Property{Name: "videoFunction", Value: amf0.Number(1)},
		amf0.Property{Name: "fourCcList", Value: amf0.StrictArray(amf0.String("hvc1"), amf0.String("av01"), amf0.String("vp09"), amf0.String("Opus"))})
	if err := p.writer.write(control(typeSetChunkSize, sendChunkSize), call(chunksCommand, 0, "connect", transactionConnect, connect)); err != nil {
		return err
	}
	for {
		m, err := p.reader.read()
		if err != nil {
			return err
		}
		if p.window > 0 && p.input.read-p.input.acked >= p.window {
			p.input.acked = p.input.read
			if err := p.writer.write(control(typeAck, uint32(p.input.read))); err != nil {
				return err
			}
		}
		if err := p.handle(m); err != nil {
			return err
		}
	}
}

func (p *puller) handle(m message) error {
	switch m.kind {
	case typeAudio, typeVideo, typeDataAMF0, typeDataAMF3, typeAggregate:
		return p.media.handle(m)
	case typeWindowAckSize:
		if len(m.body) >= 4 {
			p.window = uint64(binary.BigEndian.Uint32(m.body))
		}
	case typePeerBandwidth:
		return p.writer.write(control(typeWindowAckSize, ackWindow))
	case typeUserControl:
		return p.userControl(m)
	case typeCommandAMF0, typeCommandAMF3:
		c, err := parseCommand(m)
		if err != nil {
			return err
		}
		return p.command(c)
	}
	return nil
}

func (p *puller) userControl(m message) error {
	if len(m.body) < 2 {
		return nil
	}
	switch event := binary.BigEndian.Uint16(m.body); {
	case event == eventPingRequest && len(m.body) >= 6:
		return p.writer.write(userControl(eventPingResponse, binary.BigEndian.Uint32(m.body[2:])))
	case event == eventStreamEOF:
		return p.end()
	}
	return nil
}

// end hands over what is held back.
func (p *puller) end() error {
	if err := p.media.flush(); err != nil {
		return err
	}
	return errStreamEnded
}

func (p *puller) command(c command) error {
	switch {
	case c.name == "_error":
		return errors.New("the server refused: " + describe(c))
	case c.name == "_result" && c.transaction == transactionConnect:
		return p.writer.write(call(chunksCommand, 0, "createStream", transactionCreate, amf0.Null()))
	case c.name == "_result" && c.transaction == transactionCreate:
		var stream uint32 = 1
		if len(c.arguments) > 1 {
			stream = uint32(c.arguments[1].Number)
		}
		return p.writer.write(
			call(8, stream, "play", 0, amf0.Null(), amf0.String(p.name), amf0.Number(-2000)),
			userControl(eventSetBuffer, stream, 3000))
	case c.name == "onStatus":
		return p.status(c)
	}
	return nil
}

func (p *puller) status(c command) error {
	if len(c.arguments) < 2 {
		return nil
	}
	switch info := c.arguments[1]; {
	case info.Text("level") == "error":
		return errors.New("the server refused: " + describe(c))
	case info.Text("code") == "NetStream.Play.Stop", info.Text("code") == "NetStream.Play.UnpublishNotify", info.Text("code") == "NetStream.Play.Complete":
		return p.end()
	}
	return nil
}

// describe returns what a refusal says, within bounds.
func describe(c command) string {
	if len(c.arguments) < 2 {
		return "no reason given"
	}
	text := c.arguments[1].Text("code") + " " + c.arguments[1].Text("description")
	return text[:min(len(text), 200)]
}
