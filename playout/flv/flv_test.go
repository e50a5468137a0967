package flv

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
)

// clipEvents are the events of the built-in clip.
func clipEvents(t testing.TB) []packager.Event {
	t.Helper()
	b, err := os.ReadFile("../../ingest/file/clip.flv")
	if err != nil {
		t.Fatal(err)
	}
	unpack := packager.NewUnpackager()
	var events []packager.Event
	b = b[flv.FileHeaderLen+flv.TrailerLen:]
	for len(b) > flv.TagHeaderLen {
		h, err := flv.ParseTagHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		body := b[flv.TagHeaderLen : flv.TagHeaderLen+h.Size]
		_ = unpack.Handle(packager.NewMessage(packager.MessageType(h.Type), h.Timestamp, body))
		for ev, ok := unpack.Poll(); ok; ev, ok = unpack.Poll() {
			events = append(events, ev)
		}
		b = b[flv.TagHeaderLen+h.Size+flv.TrailerLen:]
	}
	return events
}

// received is a tag as a viewer gets it.
type received struct {
	flv.TagHeader
	body []byte
}

// readTags reads an FLV stream to its end.
func readTags(t testing.TB, r io.Reader) (flags byte, tags []received) {
	t.Helper()
	in := bufio.NewReader(r)
	head := make([]byte, flv.FileHeaderLen+flv.TrailerLen)
	if _, err := io.ReadFull(in, head); err != nil {
		t.Fatal(err)
	}
	for {
		h := make([]byte, flv.TagHeaderLen)
		if _, err := io.ReadFull(in, h); err == io.EOF {
			return head[4], tags
		} else if err != nil {
			t.Fatal(err)
		}
		tag, err := flv.ParseTagHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, tag.Size+flv.TrailerLen)
		if _, err := io.ReadFull(in, body); err != nil {
			t.Fatal(err)
		}
		if want := flv.AppendTrailer(nil, tag.Size); !bytes.Equal(body[tag.Size:], want) {
			t.Fatalf("PreviousTagSize %x, want %x", body[tag.Size:], want)
		}
		tags = append(tags, received{tag, body[:tag.Size]})
	}
}

// A viewer that joins in mid-stream gets header, metadata, configurations and
// the group of pictures that is running, from time 0, and then all the rest
// unchanged until the stream ends.
func TestViewerJoinsInMidStream(t *testing.T) {
	events := clipEvents(t)
	server := New(slog.New(slog.DiscardHandler))
	sink := server.Sink("live/cam")
	joinAt := len(events) / 2
	for _, ev := range events[:joinAt] {
		sink.WriteEvent(ev)
	}
	front := httptest.NewServer(server)
	defer front.Close()
	resp, err := http.Get(front.URL + "/live/cam.flv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "video/x-flv" || resp.ContentLength != -1 {
		t.Fatalf("answer %d %v", resp.StatusCode, resp.Header)
	}
	for server.Viewers("live/cam") == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() {
		for _, ev := range events[joinAt:] {
			sink.WriteEvent(ev)
			time.Sleep(20 * time.Microsecond) // or the viewer's queue overflows
		}
		sink.WriteEvent(packager.Event{Kind: packager.EventEnd})
	}()
	flags, tags := readTags(t, resp.Body)
	if flags != 5 {
		t.Errorf("header flags %d, want 5", flags)
	}
	checkTags(t, tags, events, joinAt)
	if again, err := http.Get(front.URL + "/live/cam.flv"); err != nil || again.StatusCode != 404 {
		t.Errorf("the ended stream: %v, %v", again, err)
	}
}

func checkTags(t *testing.T, tags []received, events []packager.Event, joinAt int) {
	t.Helper()
	if len(tags) < 100 || tags[0].Type != flv.TypeScript || !bytes.Contains(tags[0].body, []byte("onMetaData")) || bytes.Contains(tags[0].body, []byte("duration")) {
		t.Fatalf("%d tags, the first of type %d", len(tags), tags[0].Type)
	}
	if v, err := flv.ParseVideo(tags[1].body); err != nil || v.Packet != flv.SequenceStart {
		t.Errorf("second tag: %+v, %v", v, err)
	}
	if a, err := flv.ParseAudio(tags[2].body); err != nil || a.Packet != flv.SequenceStart {
		t.Errorf("third tag: %+v, %v", a, err)
	}
	if v, err := flv.ParseVideo(tags[3].body); err != nil || v.FrameType != flv.KeyFrame || tags[3].Timestamp != 0 {
		t.Errorf("the first frame is at %d, %+v, %v", tags[3].Timestamp, v.FrameType, err)
	}
	if v, err := flv.ParseVideo(tags[len(tags)-1].body); err != nil || v.Packet != flv.SequenceEnd {
		t.Errorf("last tag: %+v, %v", v, err)
	}
	// From the last key frame before joinAt on, nothing is missing.
	from := joinAt - 1
	for ; events[from].Kind != packager.EventSample || events[from].Sample.Track != packager.TrackVideo || !events[from].Sample.Key; from-- {
	}
	i := 3
	base := events[from].Sample.DTS
	for _, ev := range events[from:] {
		if ev.Kind != packager.EventSample {
			continue
		}
		got := tags[i]
		if want := uint32((ev.Sample.DTS - base).Milliseconds()); got.Timestamp != want || !bytes.HasSuffix(got.body, ev.Sample.Payload) {
			t.Fatalf("tag %d is at %d with %d bytes, want %d with %d", i, got.Timestamp, len(got.body), want, len(ev.Sample.Payload))
		}
		i++
	}
	if i != len(tags)-1 {
		t.Errorf("%d tags, want %d", len(tags), i+1)
	}
}

// A viewer that takes nothing loses what is older, in whole groups of
// pictures, and its queue stays bounded; the others lose nothing.
func TestSlowViewer(t *testing.T) {
	events := clipEvents(t)
	st := newStream()
	slow := newViewer()
	for i, ev := range events {
		st.WriteEvent(ev)
		if i == 50 && st.join(slow) != nil {
			t.Fatal("join refused")
		}
	}
	if slow.bytes > maxQueueBytes || slow.span() > maxQueueTime+time.Second || st.dropped == 0 {
		t.Errorf("%d bytes and %v wait, %d dropped", slow.bytes, slow.span(), st.dropped)
	}
	batch, _ := st.take(slow, nil)
	broken := false
	var last time.Duration
	for _, tag := range batch {
		if tag.kind != flv.TypeVideo || tag.config {
			continue
		}
		if gap := tag.dts - last; gap > 60*time.Millisecond && !tag.key {
			broken = true
		}
		last = tag.dts
	}
	if broken {
		t.Error("after a loss the viewer does not go on with a key frame")
	}
}

// An unknown stream is 404 at once, one that has not begun is awaited, HEAD
// has no body.
func TestRequests(t *testing.T) {
	server := New(slog.New(slog.DiscardHandler))
	request := func(ctx context.Context, method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, nil))
		return w
	}
	if w := request(t.Context(), http.MethodGet, "/live/none.flv"); w.Code != 404 {
		t.Errorf("unknown stream: %d", w.Code)
	}
	sink := server.Sink("live/cam")
	if w := request(t.Context(), http.MethodHead, "/live/cam.flv"); w.Code != 200 || w.Header().Get("Content-Type") != "video/x-flv" || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	events := clipEvents(t)
	go func() {
		time.Sleep(20 * time.Millisecond)
		for _, ev := range events[:20] {
			sink.WriteEvent(ev)
		}
		time.Sleep(20 * time.Millisecond)
		sink.WriteEvent(packager.Event{Kind: packager.EventEnd})
	}()
	if w := request(t.Context(), http.MethodGet, "/live/cam.flv"); w.Code != 200 || w.Body.Len() < 1000 {
		t.Errorf("a stream that begins later: %d with %d bytes", w.Code, w.Body.Len())
	}
	// Without video every unit is a place to begin at.
	audio := server.Sink("live/radio")
	for _, ev := range events[:40] {
		if ev.Kind == packager.EventTracks {
			ev.Tracks = ev.Tracks[len(ev.Tracks)-1:]
		}
		if ev.Kind != packager.EventSample || ev.Sample.Track == packager.TrackAudio {
			audio.WriteEvent(ev)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if w := request(ctx, http.MethodGet, "/live/radio.flv"); w.Code != 200 || w.Body.Len() < 10 || w.Body.Bytes()[4] != 4 {
		t.Errorf("audio alone: %d, %d bytes", w.Code, w.Body.Len())
	}
}

func BenchmarkFanOut(b *testing.B) {
	events := clipEvents(b)
	st := newStream()
	for _, ev := range events {
		st.WriteEvent(ev)
	}
	viewers := make([]*viewer, 200)
	for i := range viewers {
		viewers[i] = newViewer()
		st.join(viewers[i])
	}
	sample := events[len(events)-1]
	b.ReportAllocs()
	var batch []tag
	for b.Loop() {
		st.WriteEvent(sample)
		for _, v := range viewers {
			batch, _ = st.take(v, batch)
			_ = v.write(io.Discard, batch)
		}
	}
}
