package netconnection

import (
	"slices"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// relay is a published stream with its players.
type relay struct {
	name      string
	publisher *netStream // nil while there are only players
	players   []*netStream
	metadata  []byte    // the last onMetaData message
	configs   [2][]byte // the last decoder configurations, audio and video
}

// netStream is a stream of a client.
type netStream struct {
	client       *client
	id           uint32
	publishing   *relay
	playing      *relay
	status       *rtmfp.SendFlow // commands and data
	audio, video *rtmfp.SendFlow
	waitKey      bool           // nothing but a key frame can begin
	key          *rtmfp.Receipt // of the last key frame
}

func (ns *netStream) owns(f *rtmfp.SendFlow) bool {
	return f == ns.status || f == ns.audio || f == ns.video
}

// flow opens a flow of the stream to its client.
func (ns *netStream) flow(now rtmfp.Instant, priority int) *rtmfp.SendFlow {
	f, err := ns.client.session.OpenFlow(now, rtmfp.FlowConfig{
		Metadata: AppendMetadata(nil, Metadata{StreamID: ns.id}), Return: ns.client.in, Priority: priority, TimeCritical: true,
	})
	if err != nil {
		return nil
	}
	return f
}

func write(now rtmfp.Instant, f *rtmfp.SendFlow, data []byte, r *rtmfp.Receipt) {
	if f != nil {
		// A full queue loses the message; the flow's owner cannot do better.
		_ = f.Write(now, data, r)
	}
}

func (ns *netStream) onStatus(now rtmfp.Instant, level, code, description string) {
	if ns.status == nil {
		ns.status = ns.flow(now, 5)
	}
	write(now, ns.status, commandMessage(Command{Name: "onStatus", Args: []amf0.Value{amf0.Null(), info(level, code, description)}}), nil)
}

func (s *Server) relayOf(c *client, name string) *relay {
	full := c.app + "/" + name
	r := s.streams[full]
	if r == nil {
		r = &relay{name: full}
		s.streams[full] = r
	}
	return r
}

// tidy forgets a relay that nobody uses.
func (s *Server) tidy(r *relay) {
	if r.publisher == nil && len(r.players) == 0 {
		delete(s.streams, r.name)
	}
}

func (s *Server) publish(now rtmfp.Instant, c *client, id uint32, name string) {
	ns := c.streams[id]
	if ns == nil {
		s.stats.Malformed++
		return
	}
	if s.params.NoRelay || name == "" || len(name) > maxNameLength || ns.publishing != nil || ns.playing != nil {
		ns.onStatus(now, "error", "NetStream.Publish.BadName", "The stream cannot be published.")
		return
	}
	r := s.relayOf(c, name)
	if r.publisher != nil {
		ns.onStatus(now, "error", "NetStream.Publish.BadName", name+" is published already.")
		return
	}
	r.publisher, ns.publishing = ns, r
	s.stats.Published++
	write(now, c.out, userControl(EventStreamBegin, id), nil)
	ns.onStatus(now, "status", "NetStream.Publish.Start", name+" is now published.")
	for _, p := range r.players {
		p.onStatus(now, "status", "NetStream.Play.PublishNotify", name+" is now published.")
	}
	s.emit(ServerEvent{Kind: PublishStarted, Session: c.session, Name: r.name})
}

func (s *Server) play(now rtmfp.Instant, c *client, id uint32, name string) {
	ns := c.streams[id]
	if ns == nil {
		s.stats.Malformed++
		return
	}
	if s.params.NoRelay || name == "" || len(name) > maxNameLength || ns.publishing != nil || ns.playing != nil {
		ns.onStatus(now, "error", "NetStream.Play.Failed", "The stream cannot be played.")
		return
	}
	r := s.relayOf(c, name)
	ns.playing, ns.waitKey = r, true
	ns.status, ns.video, ns.audio = ns.flow(now, 5), ns.flow(now, 4), ns.flow(now, 5)
	r.players = append(r.players, ns)
	s.stats.Played++
	write(now, ns.status, userControl(EventStreamBegin, id), nil)
	ns.onStatus(now, "status", "NetStream.Play.Reset", "Playing and resetting "+name+".")
	ns.onStatus(now, "status", "NetStream.Play.Start", "Started playing "+name+".")
	if r.publisher != nil {
		ns.onStatus(now, "status", "NetStream.Play.PublishNotify", name+" is now published.")
	}
	ns.catchUp(now, r.metadata, r.configs)
	s.emit(ServerEvent{Kind: PlayStarted, Session: c.session, Name: r.name})
}

func (s *Server) stopPublishing(now rtmfp.Instant, ns *netStream) {
	r := ns.publishing
	if r == nil {
		return
	}
	ns.publishing, r.publisher, r.metadata, r.configs = nil, nil, nil, [2][]byte{}
	for _, p := range r.players {
		p.waitKey = true
		write(now, p.status, userControl(EventStreamEOF, p.id), nil)
		p.onStatus(now, "status", "NetStream.Play.UnpublishNotify", r.name+" is now unpublished.")
	}
	s.tidy(r)
	s.emit(ServerEvent{Kind: PublishEnded, Session: ns.client.session, Name: r.name})
}

func (s *Server) stopPlaying(now rtmfp.Instant, ns *netStream) {
	r := ns.playing
	if r == nil {
		return
	}
	r.players = slices.DeleteFunc(r.players, func(p *netStream) bool { return p == ns })
	for _, f := range []*rtmfp.SendFlow{ns.status, ns.audio, ns.video} {
		if f != nil {
			f.Close(now)
		}
	}
	ns.playing, ns.status, ns.audio, ns.video = nil, nil, nil, nil
	s.tidy(r)
}

// relay hands a published message on to the players. data is the whole
// message, which goes out again as it is.
func (s *Server) relay(now rtmfp.Instant, r *relay, m Message, data []byte) {
	config := keep(m, data, &r.metadata, &r.configs)
	for _, p := range r.players {
		p.send(now, m, data, config, now.Add(s.params.Lifetime))
		s.stats.Relayed++
	}
	s.emit(ServerEvent{Kind: StreamMessage, Session: r.publisher.client.session, Name: r.name, Message: m})
}

// keep remembers what latecomers need: the metadata and the configurations of
// the decoders. It reports whether the message is one of the latter.
func keep(m Message, data []byte, metadata *[]byte, configs *[2][]byte) bool {
	config := isConfig(m.Type, m.Payload)
	switch {
	case m.Type == TypeData || m.Type == TypeDataExtended:
		if isMetadata(m) {
			*metadata = data
		}
	case config && m.Type == TypeAudio:
		configs[0] = data
	case config:
		configs[1] = data
	}
	return config
}

// isMetadata reports whether a data message describes the stream.
func isMetadata(m Message) bool {
	b := m.Payload
	if m.Type == TypeDataExtended && len(b) > 0 {
		b = b[1:]
	}
	v, _, err := amf0.Parse(b)
	return err == nil && (v.String == "@setDataFrame" || v.String == "onMetaData")
}

// catchUp tells a player what those before it were told.
func (ns *netStream) catchUp(now rtmfp.Instant, metadata []byte, configs [2][]byte) {
	if metadata != nil {
		write(now, ns.status, metadata, nil)
	}
	if configs[0] != nil {
		write(now, ns.audio, configs[0], nil)
	}
	if configs[1] != nil {
		write(now, ns.video, configs[1], nil)
	}
}

// send hands a message to a player, as long as it is worth it: pictures only
// from a key frame on, and none without the key frame it builds on.
func (p *netStream) send(now rtmfp.Instant, m Message, data []byte, config bool, late rtmfp.Instant) {
	switch {
	case m.Type == TypeVideo && config:
		write(now, p.video, data, nil)
	case m.Type == TypeVideo && isKeyFrame(m.Payload):
		p.waitKey = false
		p.key = &rtmfp.Receipt{FinishBy: late}
		write(now, p.video, data, p.key)
	case m.Type == TypeVideo && !p.waitKey:
		write(now, p.video, data, &rtmfp.Receipt{FinishBy: late, Parent: p.key})
	case m.Type == TypeVideo:
	case m.Type == TypeAudio && config:
		write(now, p.audio, data, nil)
	case m.Type == TypeAudio:
		write(now, p.audio, data, &rtmfp.Receipt{FinishBy: late})
	default:
		write(now, p.status, data, nil)
	}
}
