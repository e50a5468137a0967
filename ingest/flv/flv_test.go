package flv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
)

type counter struct {
	tracks  []packager.Track
	samples int
}

func (c *counter) SetTracks(tracks []packager.Track) error { c.tracks = tracks; return nil }
func (c *counter) WriteSample(packager.Sample) error       { c.samples++; return nil }

func readClip(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../file/clip.flv")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReaderReadsAllTags(t *testing.T) {
	r := NewReader(bytes.NewReader(readClip(t)))
	var counts [19]int
	for {
		m, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		counts[m.Type]++
	}
	// 400 pictures, configuration and end of sequence; 750 units and
	// configuration; onMetaData.
	if counts[flv.TypeVideo] != 402 || counts[flv.TypeAudio] != 751 || counts[flv.TypeScript] != 1 {
		t.Errorf("%d video, %d audio, %d script tags", counts[9], counts[8], counts[18])
	}
}

func TestReaderRefuses(t *testing.T) {
	head := flv.AppendFileHeader(nil, true, true)
	tests := map[string]struct {
		input []byte
		want  error
	}{
		"nothing":           {nil, io.ErrUnexpectedEOF},
		"not FLV":           {[]byte("MOV nonsense"), flv.ErrNotFLV},
		"end in the header": {head[:11], io.ErrUnexpectedEOF},
		"end":               {head, io.EOF},
		"end in a tag head": {append(bytes.Clone(head), 9, 0, 0), io.ErrUnexpectedEOF},
		"end in a body":     {flv.AppendTagHeader(bytes.Clone(head), flv.TagHeader{Type: 9, Size: 10}), io.ErrUnexpectedEOF},
		"huge video":        {flv.AppendTagHeader(bytes.Clone(head), flv.TagHeader{Type: 9, Size: flv.MaxBody}), ErrTagTooLong},
		"huge audio":        {flv.AppendTagHeader(bytes.Clone(head), flv.TagHeader{Type: 8, Size: 2 << 20}), ErrTagTooLong},
		"unknown type":      {flv.AppendTagHeader(bytes.Clone(head), flv.TagHeader{Type: 3, Size: 1}), flv.ErrTagType},
	}
	for name, tt := range tests {
		if _, err := NewReader(bytes.NewReader(tt.input)).Read(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestSourceFetches(t *testing.T) {
	clip := readClip(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("key") != "secret" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = w.Write(clip)
	}))
	defer server.Close()
	var c counter
	err := Source{URL: server.URL + "/x.flv?key=secret"}.Run(t.Context(), &c)
	if err == nil || c.samples != 1150 || len(c.tracks) != 2 {
		t.Errorf("Run = %v with %d samples, want an error that the stream ended, after 1150", err, c.samples)
	}
	for _, url := range []string{server.URL + "/x.flv?key=wrong", "http://127.0.0.1:1/x.flv?key=wrong", "http://[bad?key=wrong"} {
		err := Source{URL: url}.Run(t.Context(), &c)
		if err == nil || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: %v, want an error without the secret", url, err)
		}
	}
}

func TestSourceStopsWithItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(flv.AppendFileHeader(nil, true, true))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := (Source{URL: server.URL}).Run(ctx, &counter{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v", err)
	}
}

func FuzzReader(f *testing.F) {
	clip := readClip(f)
	f.Add(clip[:4000])
	f.Add(flv.AppendFileHeader(nil, true, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Copy(&counter{}, NewReader(bytes.NewReader(b)))
	})
}
