package hlscheck

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// good is a playlist with nothing wrong.
const good = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.530,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0
#EXT-X-PART-INF:PART-TARGET=0.510
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="a_init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:00.000Z
#EXTINF:2.00000,
a_7.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:02.000Z
#EXT-X-PART:DURATION=0.50000,URI="a_8.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="a_8.1.m4s"
#EXT-X-PART:DURATION=0.20000,URI="a_8.2.m4s"
#EXTINF:1.20000,
a_8.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:03.200Z
#EXT-X-PART:DURATION=0.50000,URI="a_9.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="a_9.1.m4s"
`

func problemsOf(text string) (found []string) {
	problem := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	p := parse(text, problem)
	p.checkAlone(problem)
	return found
}

func TestGoodPlaylistPasses(t *testing.T) {
	if found := problemsOf(good); len(found) > 0 {
		t.Errorf("problems: %q", found)
	}
}

// Each rule is broken once; the checker must say so.
func TestBrokenPlaylistsFail(t *testing.T) {
	tests := []struct{ name, old, replacement, want string }{
		{"first line", "#EXTM3U", "#EXTM3U8", "first line"},
		{"target", "TARGETDURATION:2\n", "TARGETDURATION:1\n", "rounds to more"},
		{"no target", "#EXT-X-TARGETDURATION:2\n", "", "no EXT-X-TARGETDURATION"},
		{"twice", "#EXT-X-VERSION:9\n", "#EXT-X-VERSION:9\n#EXT-X-VERSION:9\n", "stands twice"},
		{"late singleton", "a_7.m4s\n", "a_7.m4s\n#EXT-X-PART-INF:PART-TARGET=0.5\n", "after the first segment"},
		{"part too long", "DURATION=0.50000,URI=\"a_8.1", "DURATION=0.51100,URI=\"a_8.1", "more than PART-TARGET"},
		{"part too short", "DURATION=0.50000,URI=\"a_8.1", "DURATION=0.40000,URI=\"a_8.1", "less than 85 %"},
		{"parts do not add up", "EXTINF:1.20000", "EXTINF:1.30000", "its parts"},
		{"hold back", "PART-HOLD-BACK=1.530", "PART-HOLD-BACK=1.000", "PART-HOLD-BACK"},
		{"plain hold back", "HOLD-BACK=6.0", "HOLD-BACK=5.0", "HOLD-BACK is less"},
		{"skip until", "CAN-SKIP-UNTIL=12.0", "CAN-SKIP-UNTIL=8.0", "CAN-SKIP-UNTIL"},
		{"no hint", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a_9.1.m4s\"\n", "", "0 preload hints"},
		{"hint at the end", "#EXT-X-PRELOAD", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD", "beside EXT-X-ENDLIST"},
		{"no date", "#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:02.000Z\n", "", "no EXT-X-PROGRAM-DATE-TIME"},
		{"no EXTINF", "#EXTINF:2.00000,\n", "", "has no EXTINF"},
		{"gap", "a_7.m4s\n", "a_7.m4s\n#EXT-X-GAP\n", "GAP"},
		{"quote", "URI=\"a_init.mp4\"", "URI=\"a_init.mp4", "closing quote"},
		{"blocking", "CAN-BLOCK-RELOAD=YES,", "", "CAN-BLOCK-RELOAD"},
		{"unknown tag", "#EXT-X-VERSION:9", "#EXT-X-VERSION:9\n#EXT-X-NONSENSE", "unknown tag"},
	}
	for _, tt := range tests {
		text := strings.Replace(good, tt.old, tt.replacement, 1)
		if text == good {
			t.Fatalf("%s: nothing was replaced", tt.name)
		}
		if found := strings.Join(problemsOf(text), "; "); !strings.Contains(found, tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.name, found, tt.want)
		}
	}
}

// What must not change between two playlists.
func TestHistoryIsChecked(t *testing.T) {
	tests := []struct{ name, old, replacement, want string }{
		{"nothing", "", "", ""},
		{"target duration", "TARGETDURATION:2\n", "TARGETDURATION:3\n", "#EXT-X-TARGETDURATION changed"},
		{"part target", "PART-TARGET=0.510", "PART-TARGET=0.505", "#EXT-X-PART-INF changed"},
		{"URI", "\na_8.m4s", "\nb_8.m4s", "changed its URI"},
		{"sequence", "MEDIA-SEQUENCE:7", "MEDIA-SEQUENCE:6", "went back"},
		{"discontinuity", "#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:02", "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:02", "discontinuity number"},
		{"date", "10:00:02.000Z", "10:00:02.100Z", "duration or date"},
		{"hint", `a_9.1.m4s`, `a_9.5.m4s`, "never came"},
	}
	for _, tt := range tests {
		c := &checker{Checker: &Checker{known: map[string]bool{}, report: &Report{}, client: http.DefaultClient}, byMSN: map[int]segment{}, media: "http://127.0.0.1:1/"}
		first := parse(good, c.problem)
		c.compare(&first)
		c.hint = first.hints[0]
		c.last = &first
		second := parse(strings.Replace(good, tt.old, tt.replacement, 1), c.problem)
		c.compare(&second)
		c.checkHint(t.Context(), &second)
		found := strings.Join(c.report.Problems, "; ")
		if tt.want == "" && found != "" || !strings.Contains(found, tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.name, found, tt.want)
		}
	}
}

func TestTransportStreamRules(t *testing.T) {
	packet := func(pid, cc int) []byte {
		p := make([]byte, 188)
		p[0], p[1], p[2], p[3] = 0x47, byte(pid>>8), byte(pid), 0x10|byte(cc)
		return p
	}
	join := func(packets ...[]byte) (b []byte) {
		for _, p := range packets {
			b = append(b, p...)
		}
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"good", join(packet(0, 0), packet(256, 0), packet(256, 1)), ""},
		{"length", join(packet(0, 0))[:100], "whole number"},
		{"no PAT", join(packet(256, 0)), "not the PAT"},
		{"jump", join(packet(0, 0), packet(256, 0), packet(256, 2)), "jumps from 0 to 2"},
		{"sync", join(packet(0, 0), make([]byte, 188)), "sync byte"},
	}
	for _, tt := range tests {
		err := transport(tt.b, map[int]int{})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A server that answers 404 to a listed part is found out.
func TestMissingPartIsAnError(t *testing.T) {
	mux := http.NewServeMux()
	serve := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
			_, _ = w.Write([]byte(text))
		}
	}
	mux.HandleFunc("/index.m3u8", serve("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1\"\nmedia.m3u8\n"))
	mux.HandleFunc("/media.m3u8", serve(good))
	server := httptest.NewServer(mux)
	defer server.Close()
	if _, err := Run(context.Background(), server.URL+"/index.m3u8", 2); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v, want one about status 404", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) {
		p := parse(text, func(string, ...any) {})
		p.checkAlone(func(string, ...any) {})
	})
}
