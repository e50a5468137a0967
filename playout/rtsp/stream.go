package rtsp

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"

	"github.com/ringcast/ringcast/packager"
)

// Bounds of what is kept for readers that join.
const (
	cacheBytes = 16 << 20
	cacheTime  = 10 * time.Second
	// udpBurst is how much of the cache a reader over UDP gets at once; more
	// would overflow its socket.
	udpBurst = 192 << 10
)

// stream is the RTSP output of one stream. Its sessions are those of the
// library, but it fans out media itself: over TCP each access unit is built
// once and written whole, and a reader that joins gets the frames since the
// last key frame without a gap to the live ones.
type stream struct {
	server *Server
	path   string

	mu    sync.Mutex
	lanes map[packager.TrackID]*lane
	desc  *description.Session
	// unicast is never written to by the library; multicast is.
	unicast, multicast *gortsplib.ServerStream
	tcp                map[*gortsplib.ServerSession]*tcpReader
	udp                map[*gortsplib.ServerSession]*udpReader
	groups             map[*gortsplib.ServerSession]struct{}

	held      []*unit // audio that waits to share a write
	heldSince time.Time

	cache      []*unit
	cacheSize  int
	cacheStart time.Duration

	wall       int64 // Unix ms at media time 0
	hasWall    bool
	epoch      uint64 // of the mapping
	lastPTS    time.Duration
	lastReport time.Time
	ended      bool
}

func newStream(s *Server, path string) *stream {
	return &stream{
		server: s, path: path, tcp: make(map[*gortsplib.ServerSession]*tcpReader),
		udp: make(map[*gortsplib.ServerSession]*udpReader), groups: make(map[*gortsplib.ServerSession]struct{}),
	}
}

// WriteEvent takes the next event of the stream.
func (st *stream) WriteEvent(ev packager.Event) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch ev.Kind {
	case packager.EventCatalog:
		// The publisher's mapping follows the clock by little steps, for the
		// dates of playlists. Players move their timestamps with the reports,
		// so here the first mapping of an epoch holds.
		if c := ev.Catalog; !st.hasWall || c.Epoch != st.epoch {
			st.wall, st.epoch, st.hasWall = c.Wall, c.Epoch, true
		}
	case packager.EventTracks:
		st.setTracks(ev.Tracks)
	case packager.EventSample:
		st.sample(ev.Sample)
	case packager.EventEnd:
		st.ended = true
		st.closeStreams()
		st.server.ended(st)
	}
}

// setTracks opens the stream anew if the formats differ. Parameter sets go
// in-band, so that new ones of the same codec keep the readers.
func (st *stream) setTracks(tracks []packager.Track) {
	if st.updateTracks(tracks) {
		return
	}
	st.closeStreams()
	st.lanes = make(map[packager.TrackID]*lane)
	st.desc = &description.Session{Title: st.path}
	for _, t := range tracks {
		l, err := newLane(t, len(st.desc.Medias))
		if err != nil {
			st.server.log.Warn("track can't be served by rtsp", "stream", st.path, "track", t.ID.String(), "codec", t.Codec.String())
			continue
		}
		st.lanes[t.ID] = l
		st.desc.Medias = append(st.desc.Medias, l.media)
	}
	if len(st.desc.Medias) == 0 {
		return
	}
	if err := st.openStreams(); err != nil {
		st.server.log.Error("stream can't be served by rtsp", "stream", st.path, "err", err)
		return
	}
	st.server.ready()
}

// updateTracks takes new parameter sets without closing, if that is enough.
func (st *stream) updateTracks(tracks []packager.Track) bool {
	if st.unicast == nil || len(tracks) != len(st.lanes) {
		return false
	}
	fresh := make(map[packager.TrackID]*lane)
	for _, t := range tracks {
		old := st.lanes[t.ID]
		if old == nil || old.codec != t.Codec || t.ID == packager.TrackAudio && !old.track.SameConfig(t) {
			return false
		}
		l, err := newLane(t, old.index)
		if err != nil {
			return false
		}
		fresh[t.ID] = l
	}
	for id, l := range fresh {
		st.lanes[id].sets, st.lanes[id].track = l.sets, l.track
	}
	return true
}

func (st *stream) openStreams() error {
	for _, s := range []**gortsplib.ServerStream{&st.unicast, &st.multicast} {
		opened := &gortsplib.ServerStream{Server: st.server.rtsp, Desc: st.desc}
		if err := opened.Initialize(); err != nil {
			return err
		}
		*s = opened
	}
	for _, l := range st.lanes {
		for _, f := range st.unicast.Stats().Medias[l.media].Formats {
			l.ssrc = f.LocalSSRC
		}
	}
	return nil
}

// closeStreams ends all sessions, those over TCP when they have got what is
// queued for them.
func (st *stream) closeStreams() {
	st.flushHeld()
	readers := slices.Collect(maps.Values(st.tcp))
	for _, r := range readers {
		r.close(true)
	}
	clear(st.tcp)
	clear(st.udp)
	clear(st.groups)
	for _, s := range []*gortsplib.ServerStream{st.unicast, st.multicast} {
		if s != nil {
			// Closing a stream waits for its sessions, which may wait for
			// this stream's lock.
			st.server.background.Go(func() {
				for _, r := range readers {
					r.drained()
				}
				s.Close()
			})
		}
	}
	st.unicast, st.multicast, st.cache, st.cacheSize, st.held = nil, nil, nil, 0, nil
}

func (st *stream) sample(s packager.Sample) {
	l := st.lanes[s.Track]
	if l == nil || st.unicast == nil {
		return
	}
	u, err := l.pack(s)
	if err != nil || u == nil {
		return
	}
	st.lastPTS = s.PTS
	st.remember(u, s)
	st.writeTCP(u)
	st.writeUDP(u)
	if now := time.Now(); now.Sub(st.lastReport) >= st.server.config.ReportInterval {
		st.lastReport = now
		st.report()
	}
}

// Bounds of the audio that waits to share a write with video.
const (
	holdUnits = 8
	holdTime  = 50 * time.Millisecond
)

// writeTCP queues a unit for all readers over TCP. Audio beside video waits
// for the next picture, for 50 ms at most: players show nothing of it earlier,
// and a write for each audio frame would cost more than those of the video.
func (st *stream) writeTCP(u *unit) {
	if len(st.tcp) == 0 {
		return
	}
	if _, hasVideo := st.lanes[packager.TrackVideo]; hasVideo && u.track == packager.TrackAudio {
		if len(st.held) == 0 {
			st.heldSince = time.Now()
		}
		st.held = append(st.held, u)
		if len(st.held) >= holdUnits || time.Since(st.heldSince) > holdTime {
			st.flushHeld()
		}
		return
	}
	st.held = append(st.held, u)
	st.flushHeld()
}

func (st *stream) flushHeld() {
	for _, r := range st.tcp {
		r.put(st.held...)
	}
	clear(st.held)
	st.held = st.held[:0]
}

func (st *stream) writeUDP(u *unit) {
	if len(st.udp) == 0 && len(st.groups) == 0 {
		return
	}
	for session, r := range st.udp {
		if r.takes(u) {
			for _, p := range u.packets {
				_ = session.WritePacketRTP(u.lane.media, p)
			}
		}
	}
	if len(st.groups) == 0 {
		return
	}
	for _, p := range u.packets {
		// The multicast stream has SSRCs of its own.
		own := *p
		_ = st.multicast.WritePacketRTPWithNTP(u.lane.media, &own, st.wallOf(st.lastPTS))
	}
}

// remember keeps the units since the last key frame.
func (st *stream) remember(u *unit, s packager.Sample) {
	_, hasVideo := st.lanes[packager.TrackVideo]
	restart := u.track == packager.TrackVideo && u.key || !hasVideo && (len(st.cache) == 0 || s.DTS-st.cacheStart > time.Second)
	if restart || st.cacheSize > cacheBytes || s.DTS-st.cacheStart > cacheTime {
		st.restartCache(s.DTS)
		if !restart {
			return // too long a group: nothing until the next key frame
		}
	}
	if len(st.cache) == 0 && !restart && u.track == packager.TrackVideo {
		return
	}
	st.cache = append(st.cache, u)
	st.cacheSize += len(u.frame)
}

// restartCache empties the cache at a key frame, but for audio of the same time
// that came earlier.
func (st *stream) restartCache(at time.Duration) {
	kept := st.cache[:0:0]
	size := 0
	for _, u := range st.cache {
		if u.track == packager.TrackAudio && u.dts >= at {
			kept = append(kept, u)
			size += len(u.frame)
		}
	}
	st.cache, st.cacheSize, st.cacheStart = kept, size, at
}

func (st *stream) wallOf(pts time.Duration) time.Time {
	if !st.hasWall {
		st.wall, st.hasWall = time.Now().UnixMilli()-pts.Milliseconds(), true
	}
	return time.UnixMilli(st.wall).Add(pts)
}

// report sends sender reports of one clock mapping to all readers.
func (st *stream) report() {
	wall := st.wallOf(st.lastPTS)
	for _, l := range st.lanes {
		sr := l.report(st.lastPTS, wall)
		if len(st.tcp) > 0 {
			if u := reportUnit(l, sr); u != nil {
				for _, r := range st.tcp {
					r.put(u)
				}
			}
		}
		for session, r := range st.udp {
			if r.want[l.index] {
				_ = session.WritePacketRTCP(l.media, sr)
			}
		}
		if len(st.groups) > 0 {
			own := *sr
			for _, f := range st.multicast.Stats().Medias[l.media].Formats {
				own.SSRC = f.LocalSSRC
			}
			_ = st.multicast.WritePacketRTCP(l.media, &own)
		}
	}
}

// reportUnit wraps a report for readers over TCP.
func reportUnit(l *lane, sr *rtcp.SenderReport) *unit {
	b, err := sr.Marshal()
	if err != nil {
		return nil
	}
	frame := append([]byte{'$', byte(2*l.index + 1), byte(len(b) >> 8), byte(len(b))}, b...)
	return &unit{track: packager.TrackData, lane: l, frame: frame}
}

// play lets a session begin: it gets reports, what is cached, and from then on
// every unit.
func (st *stream) play(session *gortsplib.ServerSession, c *conn, transport gortsplib.Transport, channels [8]byte) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.unicast == nil || len(st.tcp)+len(st.udp)+len(st.groups) >= st.server.config.MaxReaders {
		return false
	}
	if transport == gortsplib.TransportUDPMulticast {
		st.groups[session] = struct{}{}
		return true
	}
	want := st.wantedBy(session)
	if transport == gortsplib.TransportUDP {
		st.playUDP(session, want)
		return true
	}
	wall := st.wallOf(st.lastPTS)
	cache := slices.Clone(st.cache)
	r := newTCPReader(c, session, channels, st.server.config.MaxQueueBytes)
	r.want = want
	for _, l := range st.lanes {
		if u := reportUnit(l, l.report(st.lastPTS, wall)); u != nil {
			r.put(u)
		}
	}
	// What is cached may be more than the queue allows in steady state.
	r.limit = max(r.limit, 2*st.cacheSize)
	st.flushHeld() // the new reader has it from the cache
	r.put(cache...)
	st.tcp[session] = r
	// Media may only follow the answer to PLAY.
	c.afterNextWrite(func() { st.server.readers.Go(r.run) })
	return true
}

// wanted says by place in the stream which tracks a session has set up.
type wanted [8]bool

func (st *stream) wantedBy(session *gortsplib.ServerSession) (w wanted) {
	for _, m := range session.SetuppedMedias() {
		for _, l := range st.lanes {
			w[l.index] = w[l.index] || l.media == m
		}
	}
	return w
}

// playUDP sends a session over UDP reports and what is cached. If that is too
// much, video begins for it with the next key frame.
func (st *stream) playUDP(session *gortsplib.ServerSession, want wanted) {
	wall := st.wallOf(st.lastPTS)
	for _, l := range st.lanes {
		if want[l.index] {
			_ = session.WritePacketRTCP(l.media, l.report(st.lastPTS, wall))
		}
	}
	r := &udpReader{want: want, skipping: true}
	if st.cacheSize <= udpBurst {
		for _, u := range st.cache {
			if !r.takes(u) {
				continue
			}
			for _, p := range u.packets {
				_ = session.WritePacketRTP(u.lane.media, p)
			}
		}
	}
	st.udp[session] = r
}

// leave forgets a session.
func (st *stream) leave(session *gortsplib.ServerSession) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if r := st.tcp[session]; r != nil {
		r.close(false)
		delete(st.tcp, session)
	}
	delete(st.udp, session)
	delete(st.groups, session)
}

func (st *stream) count() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.tcp) + len(st.udp) + len(st.groups)
}
