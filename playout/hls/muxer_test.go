package hls

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/reliability"
)

// clipEvents returns the events that a node sees of a published clip, repeated
// so that it lasts the given number of rounds of 6 s.
func clipEvents(t testing.TB, rounds int) []packager.Event {
	t.Helper()
	b, err := os.ReadFile("../../packager/testdata/bframes.flv")
	if err != nil {
		t.Fatal(err)
	}
	var source []packager.Event
	u := packager.NewUnpackager()
	for b = b[13:]; len(b) > 0; {
		h, err := flv.ParseTagHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := u.Handle(packager.NewMessage(packager.MessageType(h.Type), h.Timestamp, b[11:11+h.Size])); err != nil {
			t.Fatal(err)
		}
		for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
			source = append(source, ev)
		}
		b = b[11+h.Size+4:]
	}
	params := packager.DefaultParams()
	params.Epoch, params.Wall = 0x1122334455667788, 1_700_000_000_000
	p := packager.NewPackager(params)
	out := packager.NewUnpackager()
	var events []packager.Event
	var messages []packager.Message
	for round := range rounds {
		for _, ev := range source {
			switch ev.Kind {
			case packager.EventTracks:
				p.SetTracks(ev.Tracks)
				continue
			case packager.EventSample:
			default:
				continue
			}
			s := ev.Sample
			shift := time.Duration(round) * 6 * time.Second
			s.DTS, s.PTS = s.DTS+shift, s.PTS+shift
			messages = p.Pack(messages[:0], reliability.Start.Add(s.DTS), s)
			for _, m := range messages {
				if err := out.Handle(m); err != nil {
					t.Fatal(err)
				}
				for ev, ok := out.Poll(); ok; ev, ok = out.Poll() {
					events = append(events, ev)
				}
			}
		}
	}
	return append(events, packager.Event{Kind: packager.EventEnd})
}

func fetch(t testing.TB, s *Server, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

var uriPattern = regexp.MustCompile(`URI="([^"]+)"`)

// save writes the ended stream of a server into one file.
func save(t *testing.T, s *Server, name string) string {
	t.Helper()
	list := fetch(t, s, "/live/cam/stream.m3u8").Body.String()
	var file []byte
	seen := map[string]bool{}
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#EXT-X-MAP") {
			line = uriPattern.FindStringSubmatch(line)[1]
		}
		if line == "" || line[0] == '#' || seen[line] {
			continue
		}
		seen[line] = true
		w := fetch(t, s, "/live/cam/"+line)
		if w.Code != http.StatusOK {
			t.Fatalf("GET %s: %d", line, w.Code)
		}
		file = append(file, w.Body.Bytes()...)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestFFmpegDecodesSegments checks both variants against ffmpeg: every packet
// is there and every picture is the source's.
func TestFFmpegDecodesSegments(t *testing.T) {
	for _, variant := range []Variant{LowLatency, MPEGTS} {
		t.Run(string(variant), func(t *testing.T) {
			config := DefaultConfig()
			config.Variant = variant
			s := New(config)
			sink := s.Sink("live/cam")
			for _, ev := range clipEvents(t, 2) {
				sink.WriteEvent(ev)
			}
			file := save(t, s, "all.mp4")
			got := run(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", file)
			for _, want := range []string{"h264,300", "aac,520"} {
				if !strings.Contains(got, want) {
					t.Errorf("streams %q, want %q", got, want)
				}
			}
			source := run(t, "ffmpeg", "-v", "error", "-i", "../../packager/testdata/bframes.flv", "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")
			decoded := run(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")
			sums := func(text string) (list []string) {
				for line := range strings.Lines(text) {
					if f := strings.Split(line, ","); len(f) == 6 && line[0] != '#' {
						list = append(list, strings.TrimSpace(f[5]))
					}
				}
				return list
			}
			a, b := sums(source), sums(decoded)
			if len(b) != 2*len(a) || len(a) != 150 {
				t.Fatalf("%d pictures, want 2 × %d", len(b), len(a))
			}
			for i := range b {
				if b[i] != a[i%len(a)] {
					t.Fatalf("picture %d differs", i)
				}
			}
		})
	}
}

func TestPartsMakeUpTheSegment(t *testing.T) {
	s := New(DefaultConfig())
	sink := s.Sink("live/cam")
	events := clipEvents(t, 3)
	for _, ev := range events[:len(events)-1] {
		sink.WriteEvent(ev)
	}
	list := fetch(t, s, "/live/cam/stream.m3u8").Body.String()
	var joined []byte
	checked := 0
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-PART:"):
			w := fetch(t, s, "/live/cam/"+uriPattern.FindStringSubmatch(line)[1])
			joined = append(joined, w.Body.Bytes()...)
			if independent := strings.Contains(line, "INDEPENDENT=YES"); independent != bytes.Contains(w.Body.Bytes()[:300], []byte{2, 0, 0, 0}) && independent {
				t.Errorf("%s has no key frame", line)
			}
		case line != "" && line[0] != '#':
			if len(joined) > 0 {
				if whole := fetch(t, s, "/live/cam/"+line).Body.Bytes(); !bytes.Equal(whole, joined) {
					t.Errorf("%s is not its parts joined: %d and %d bytes", line, len(whole), len(joined))
				}
				checked++
			}
			joined = nil
		}
	}
	if checked < 2 {
		t.Errorf("only %d segments had parts", checked)
	}
}
