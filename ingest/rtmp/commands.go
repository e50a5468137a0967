package rtmp

import (
	"errors"
	"strings"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// command handles a command of a client. Clients differ in what they send and
// wait for: everything is answered that some encoder waits for.
func (s *session) command(c command) error {
	switch c.name {
	case "connect":
		return s.connect(c)
	case "createStream":
		return s.createStream(c)
	case "publish":
		return s.publish(c)
	case "releaseStream", "getStreamLength", "_checkbw":
		return s.result(c, undefined())
	case "FCPublish":
		note := call(chunksCommand, 0, "onFCPublish", 0, amf0.Null(), information("status", "NetStream.Publish.Start", c.text(1)))
		return errors.Join(s.writer.write(note), s.result(c, undefined()))
	case "FCUnpublish":
		note := call(chunksCommand, 0, "onFCUnpublish", 0, amf0.Null(), information("status", "NetStream.Unpublish.Success", c.text(1)))
		return errors.Join(s.writer.write(note), s.result(c, undefined()))
	case "closeStream", "deleteStream":
		// Some name the stream by its number, some by its key; a connection
		// has one at most.
		if err := s.stopPlaying(); err != nil {
			return err
		}
		if s.publication == nil {
			return nil
		}
		s.unpublish(nil)
		return s.writer.write(status(s.publishedOn, "status", "NetStream.Unpublish.Success", "the stream was unpublished"))
	case "play":
		return s.play(c)
	case "pause", "pauseRaw", "receiveAudio", "receiveVideo":
		return s.control(c)
	case "FCSubscribe":
		note := call(chunksCommand, 0, "onFCSubscribe", 0, amf0.Null(), information("status", "NetStream.Play.Start", c.text(1)))
		return errors.Join(s.writer.write(note), s.result(c, undefined()))
	case "_result", "_error", "onStatus":
		return nil
	}
	if c.transaction == 0 {
		return nil
	}
	return s.writer.write(call(chunksCommand, 0, "_error", c.transaction, amf0.Null(),
		information("error", "NetConnection.Call.Failed", "unknown command")))
}

// result answers a command that wants an answer.
func (s *session) result(c command, value amf0.Value) error {
	if c.transaction == 0 {
		return nil
	}
	return s.writer.write(call(chunksCommand, 0, "_result", c.transaction, amf0.Null(), value))
}

func (s *session) connect(c command) error {
	if s.connected {
		return errSecondApp
	}
	s.connected = true
	o := c.object()
	s.app, s.tcURL = o.Text("app"), o.Text("tcUrl")
	if s.tcURL == "" {
		s.tcURL = o.Text("tcurl")
	}
	if refusal := s.authenticate(o); refusal != "" {
		return s.reject(c.transaction, refusal)
	}
	properties := amf0.Object(
		amf0.Property{Name: "fmsVer", Value: amf0.String("FMS/3,5,7,7009")},
		amf0.Property{Name: "capabilities", Value: amf0.Number(31)},
		amf0.Property{Name: "mode", Value: amf0.Number(1)})
	info := information("status", "NetConnection.Connect.Success", "connection succeeded")
	info.Properties = append(info.Properties,
		amf0.Property{Name: "objectEncoding", Value: amf0.Number(0)},
		// Enhanced RTMP: what may be sent, and that we can decode it ("*" is
		// any; 1 is decode, 4 is forward).
		amf0.Property{Name: "fourCcList", Value: amf0.StrictArray(amf0.String("hvc1"), amf0.String("av01"), amf0.String("vp09"), amf0.String("avc1"), amf0.String("Opus"), amf0.String("mp4a"), amf0.String(".mp3"))})
	transaction := c.transaction
	if transaction == 0 {
		transaction = 1
	}
	return s.writer.write(
		control(typeWindowAckSize, ackWindow),
		message{kind: typePeerBandwidth, chunks: chunksControl, body: append(control(0, ackWindow).body, 2)},
		control(typeSetChunkSize, sendChunkSize),
		userControl(eventStreamBegin, 0),
		call(chunksCommand, 0, "_result", transaction, properties, info))
}

func (s *session) createStream(c command) error {
	if s.messageStreams >= maxMessageStreams {
		return s.writer.write(call(chunksCommand, 0, "_error", c.transaction, amf0.Null(),
			information("error", "NetConnection.Call.Failed", "too many streams")))
	}
	s.messageStreams++
	return s.result(c, amf0.Number(float64(s.messageStreams)))
}

// publish asks the registry for the stream.
func (s *session) publish(c command) error {
	if !s.connected {
		return errCommand
	}
	if s.publication != nil || s.playing != nil {
		return s.refuse(c.stream, "NetStream.Publish.BadName", "the connection has a stream already")
	}
	path, query, err := streamPath(s.app, s.tcURL, c.text(1))
	if err != nil {
		return s.refuse(c.stream, "NetStream.Publish.BadName", "the stream name is impossible")
	}
	p, err := s.server.registry.Publish(ingest.PublishRequest{
		Path: path, Key: query.get("key"), User: query.get("user"), Password: query.get("pass"), Authorized: s.authorized,
		Remote: s.conn.RemoteAddr().String(), Protocol: "rtmp",
	})
	if err != nil {
		s.server.log.Warn("publisher refused", "stream", path, "addr", s.conn.RemoteAddr().String(), "reason", err.Error())
		return s.refuse(c.stream, "NetStream.Publish.BadName", err.Error())
	}
	s.publication, s.publishedOn = p, c.stream
	s.media = newMediaReader(p)
	s.published <- published{p, c.stream}
	s.inUse.Store(true)
	s.input.perRead.Store(int64(silence))
	name, _, _ := strings.Cut(c.text(1), "?")
	return s.writer.write(
		userControl(eventStreamBegin, c.stream),
		status(c.stream, "status", "NetStream.Publish.Start", name+" is published"))
}
