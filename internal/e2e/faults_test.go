package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/hlscheck"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/playout/hls"
	"github.com/ringcast/ringcast/reliability"
)

// rig is a publisher, a network that loses messages, and a node with a strict
// player, in virtual time and without a socket.
type rig struct {
	t       *testing.T
	pack    *packager.Packager
	unpack  *packager.Unpackager
	server  *hls.Server
	sink    playout.Sink
	checker *hlscheck.Checker
	now     reliability.Time
	// lost says which messages the network loses.
	lost func(packager.Message) bool

	video, audio packager.Track
	fps          float64
	keyEvery     int
	picture      int // pictures made so far
	// known are the problems that can't be avoided.
	known []string
}

// What can't be avoided: the part that was announced when a catalogue was lost
// has another name, and a picture that stands while the sound goes on makes
// parts longer than was told before. Where a frame is missing, a part may be
// shorter than it should.
var (
	lostNames  = []string{"never came"}
	longFrames = []string{"more than PART-TARGET", "less than 85 %", "rounds to more", "before the end of segment"}
	shortParts = []string{"less than 85 %"}
	noVideo    = []string{"lasts 0.000 s", "less than 85 %"}
)

// pages lets a client ask a handler without a socket, as a page of another
// host would.
type pages struct{ handler http.Handler }

func (p pages) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Access-Control-Allow-Origin", "*")
	p.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func newRig(t *testing.T, configure func(*hls.Config)) *rig {
	t.Helper()
	config := hls.DefaultConfig()
	config.FirstWait = 0
	if configure != nil {
		configure(&config)
	}
	params := packager.DefaultParams()
	params.Epoch, params.Wall = 7, 1_700_000_000_000
	params.Segmentation.Part = 200 * time.Millisecond
	r := &rig{
		t: t, pack: packager.NewPackager(params), unpack: packager.NewUnpackager(), server: hls.New(config),
		now: reliability.Start, fps: 25, keyEvery: 25, lost: func(packager.Message) bool { return false },
	}
	r.sink = r.server.Sink("live/cam")
	r.video = testTrack(t, packager.CodecH264, smallConfig)
	r.audio = testTrack(t, packager.CodecAAC, []byte{0x11, 0x90})
	r.pack.SetTracks([]packager.Track{r.video, r.audio})
	return r
}

// smallConfig and otherConfig are H.264 configurations of 320 × 180 and
// 640 × 360.
var (
	smallConfig = []byte("\x01\x42\xc0\x0d\xff\xe1\x00\x15\x67\x42\xc0\x0d\xda\x05\x07\xe8\x40\x00\x00\x03\x00\x40\x00\x00\x0c\x83\xc5\x0a\xa8\x01\x00\x04\x68\xce\x3c\x80")
	otherConfig = []byte("\x01\x42\xc0\x1e\xff\xe1\x00\x15\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe4\x00\x00\x03\x00\x04\x00\x00\x03\x00\xca\x3c\x58\xba\x80\x01\x00\x04\x68\xce\x3c\x80")
)

func testTrack(t *testing.T, codec packager.Codec, config []byte) packager.Track {
	t.Helper()
	if codec == packager.CodecH264 && config[7] != byte(len(config)-8-7) {
		config = append([]byte(nil), config...)
		config[7] = byte(len(config) - 8 - 7)
	}
	track, err := packager.NewTrack(codec, config)
	if err != nil {
		t.Fatal(err)
	}
	return track
}

// write publishes a sample and lets the player look after each message.
func (r *rig) write(s packager.Sample) {
	for _, m := range r.pack.Pack(nil, r.now, s) {
		if r.lost(m) {
			continue
		}
		_ = r.unpack.Handle(m)
		r.events()
	}
}

func (r *rig) events() {
	for ev, ok := r.unpack.Poll(); ok; ev, ok = r.unpack.Poll() {
		r.sink.WriteEvent(ev)
		r.look()
	}
}

// look lets the player reload, if there is anything.
func (r *rig) look() {
	r.t.Helper()
	if r.checker == nil {
		c, err := hlscheck.New(r.t.Context(), &http.Client{Transport: pages{r.server}}, "http://node/live/cam/index.m3u8")
		if err != nil {
			return // nothing to play yet
		}
		c.Blocking = false
		r.checker = c
	}
	if _, err := r.checker.Step(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// run publishes a stretch of source time; which says what the source has. The
// wall clock goes along.
func (r *rig) run(from, to time.Duration, video, audio bool) {
	v, a := from, from
	frame, unit := time.Duration(float64(time.Second)/r.fps), 1024*time.Second/48000
	began := r.now
	for v < to || a < to {
		if v <= a {
			r.now = began.Add(v - from)
			if video {
				payload := []byte{0, 0, 0, 2, 0x41, 0x9a}
				key := r.picture%r.keyEvery == 0
				if key {
					payload[4] = 0x65
				}
				at := v.Round(time.Millisecond)
				r.write(packager.Sample{Track: packager.TrackVideo, DTS: at, PTS: at, Key: key, Payload: payload})
				r.picture++
			}
			v += frame
			continue
		}
		r.now = began.Add(a - from)
		if audio {
			at := a.Round(time.Millisecond)
			r.write(packager.Sample{Track: packager.TrackAudio, DTS: at, PTS: at, Key: true, Payload: []byte{0x21, 0x10, 0x04}})
		}
		a += unit
	}
	r.now = began.Add(to - from)
}

// finish ends the stream and returns what the player found.
func (r *rig) finish() *hlscheck.Report {
	r.t.Helper()
	r.unpack.Flush()
	r.events()
	r.sink.WriteEvent(packager.Event{Kind: packager.EventEnd})
	r.look()
	report := r.checker.Report()
problems:
	for _, p := range report.Problems {
		for _, known := range r.known {
			if strings.Contains(p, known) {
				continue problems
			}
		}
		r.t.Error(p)
	}
	r.t.Logf("%d segments, %d parts, holes in video %d, audio %d", report.Segments, report.Parts, report.Holes[1], report.Holes[2])
	return report
}

// between loses messages of some types within a span of media time.
func between(from, to time.Duration, types ...packager.MessageType) func(packager.Message) bool {
	return func(m packager.Message) bool {
		at := time.Duration(m.Timestamp) * time.Millisecond
		for _, t := range types {
			if m.Type == t && at >= from && at < to {
				return true
			}
		}
		return false
	}
}

// TestFaults breaks a stream in every way that happens in the field. The
// player, which breaks with every rule that Apple's or hls.js insists on, must
// never complain, and what it gets must have no more holes than were made.
func TestFaults(t *testing.T) {
	const s = time.Second
	all := []packager.MessageType{packager.MessageVideo, packager.MessageAudio, packager.MessageData}
	tests := []struct {
		name string
		play func(r *rig)
		// The most holes that the player may find, and the least segments.
		video, audio, segments int
	}{
		{"nothing", func(r *rig) { r.run(0, 20*s, true, true) }, 0, 0, 9},
		{"one picture lost", func(r *rig) {
			r.lost = between(8100*time.Millisecond, 8139*time.Millisecond, packager.MessageVideo)
			r.run(0, 20*s, true, true)
		}, 0, 0, 9},
		{"a key frame with its catalogue lost", func(r *rig) {
			r.known = shortParts
			r.lost = between(9*s, 9010*time.Millisecond, packager.MessageVideo, packager.MessageData)
			r.run(0, 20*s, true, true)
		}, 0, 0, 9},
		{"sound lost for 300 ms", func(r *rig) {
			r.lost = between(8*s, 8300*time.Millisecond, packager.MessageAudio)
			r.run(0, 20*s, true, true)
		}, 0, 0, 9},
		{"all lost for 1 s", func(r *rig) {
			r.lost = between(8500*time.Millisecond, 9500*time.Millisecond, all...)
			r.run(0, 20*s, true, true)
		}, 1, 1, 8},
		{"a whole segment lost", func(r *rig) {
			r.known = lostNames
			r.lost = between(7*s, 9*s, all...)
			r.run(0, 20*s, true, true)
		}, 1, 1, 8},
		{"six seconds lost", func(r *rig) {
			r.lost = between(7*s, 13*s, all...)
			r.run(0, 20*s, true, true)
		}, 1, 1, 5},
		{"pictures lost for 3 s", func(r *rig) {
			r.known = longFrames
			r.lost = between(7500*time.Millisecond, 10500*time.Millisecond, packager.MessageVideo)
			r.run(0, 20*s, true, true)
		}, 1, 0, 7},
		{"stall of 15 s, time goes on", func(r *rig) {
			r.run(0, 10*s, true, true)
			r.now = r.now.Add(15 * s)
			r.run(25*s, 35*s, true, true)
		}, 1, 1, 8},
		{"stall of 15 s, time stands", func(r *rig) {
			r.run(0, 10*s, true, true)
			r.now = r.now.Add(15 * s)
			r.run(10*s, 20*s, true, true)
		}, 1, 1, 8},
		{"restart with the same configuration", func(r *rig) {
			r.run(0, 10400*time.Millisecond, true, true)
			r.now, r.picture = r.now.Add(3*s), 0
			r.pack.Restart()
			r.run(0, 10*s, true, true)
		}, 1, 1, 8},
		{"restart with another configuration", func(r *rig) {
			r.run(0, 10400*time.Millisecond, true, true)
			r.now, r.picture = r.now.Add(3*s), 0
			r.pack.Restart()
			r.pack.SetTracks([]packager.Track{testTrack(r.t, packager.CodecH264, otherConfig), r.audio})
			r.run(0, 10*s, true, true)
		}, 0, 0, 8},
		{"sound dies", func(r *rig) {
			r.run(0, 10*s, true, true)
			r.run(10*s, 20*s, true, false)
		}, 0, 0, 9},
		{"sound dies and comes back", func(r *rig) {
			r.run(0, 10*s, true, true)
			r.run(10*s, 17200*time.Millisecond, true, false)
			r.run(17200*time.Millisecond, 25*s, true, true)
		}, 0, 0, 10},
		{"sound is announced and never comes", func(r *rig) { r.run(0, 20*s, true, false) }, 0, 0, 9},
		{"sound comes after 6 s", func(r *rig) {
			r.pack.SetTracks([]packager.Track{r.video})
			r.run(0, 6*s, true, false)
			r.pack.SetTracks([]packager.Track{r.video, r.audio})
			r.run(6*s, 20*s, true, true)
		}, 0, 0, 8},
		{"pictures die", func(r *rig) {
			r.known = noVideo
			r.run(0, 10*s, true, true)
			r.run(10*s, 40*s, false, true)
		}, 0, 0, 9},
		{"pictures die and come back", func(r *rig) {
			r.known = noVideo
			r.run(0, 10*s, true, true)
			r.run(10*s, 32*s, false, true)
			r.picture = 0
			r.run(32*s, 45*s, true, true)
		}, 1, 0, 15},
		{"key frames 20 s apart", func(r *rig) {
			r.keyEvery = 500
			r.run(0, 60*s, true, true)
		}, 0, 0, 22},
		{"a picture every 5 s, with sound", func(r *rig) {
			r.fps, r.keyEvery = 0.2, 1
			r.run(0, 60*s, true, true)
		}, 0, 0, 10},
		{"a picture every 5 s, without sound", func(r *rig) {
			r.fps, r.keyEvery = 0.2, 1
			r.pack.SetTracks([]packager.Track{r.video})
			r.run(0, 60*s, true, false)
		}, 1, 0, 10}, // the first step may be a loss
		{"sound alone", func(r *rig) {
			r.pack.SetTracks([]packager.Track{r.audio})
			r.run(0, 20*s, false, true)
		}, 0, 0, 9},
		{"video alone", func(r *rig) {
			r.pack.SetTracks([]packager.Track{r.video})
			r.run(0, 20*s, true, false)
		}, 0, 0, 9},
		{"back 10 s", func(r *rig) {
			r.run(100*s, 110*s, true, true)
			r.picture = 0
			r.run(100*s, 110*s, true, true)
		}, 1, 1, 8},
		{"pause of 30 s", func(r *rig) {
			r.run(0, 10*s, true, true)
			r.now = r.now.Add(30 * s)
			r.run(40*s, 50*s, true, true)
		}, 1, 1, 8},
		{"hesitating start", func(r *rig) {
			r.known = longFrames
			r.fps = 1.4
			r.run(0, 1400*time.Millisecond, true, true)
			r.fps = 25
			r.run(1400*time.Millisecond, 20*s, true, true)
		}, 1, 0, 8},
	}
	for _, tt := range tests {
		for _, separate := range []bool{false, true} {
			name := tt.name
			if separate {
				name += ", separate audio"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, func(c *hls.Config) { c.SeparateAudio = separate })
				tt.play(r)
				report := r.finish()
				if report.Holes[1] > tt.video || report.Holes[2] > tt.audio {
					t.Errorf("%d holes in video and %d in audio, at most %d and %d are due", report.Holes[1], report.Holes[2], tt.video, tt.audio)
				}
				if report.Segments < tt.segments {
					t.Errorf("only %d segments", report.Segments)
				}
			})
		}
	}
}

// What lies apart by a format change is told to players.
func TestFormatChangeIsTold(t *testing.T) {
	r := newRig(t, nil)
	r.run(0, 6*time.Second, true, true)
	r.pack.SetTracks([]packager.Track{testTrack(t, packager.CodecH264, otherConfig), r.audio})
	r.run(6*time.Second, 12*time.Second, true, true)
	list := httptest.NewRecorder()
	r.server.ServeHTTP(list, httptest.NewRequest(http.MethodGet, "/live/cam/stream.m3u8", nil))
	_, after, ok := strings.Cut(list.Body.String(), "#EXT-X-DISCONTINUITY\n")
	if !ok || !strings.HasPrefix(after, "#EXT-X-MAP:URI=") {
		t.Errorf("no discontinuity with another initialization in\n%s", list.Body.String())
	}
	r.finish()
}
