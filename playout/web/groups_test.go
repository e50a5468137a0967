package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fakeNetwork is one group with two neighbors.
type fakeNetwork struct {
	subscribed chan func(Event)
	posts      []any
}

func (f *fakeNetwork) Groups() []GroupStatus { return []GroupStatus{{ID: "aa", Name: "group"}} }

func (f *fakeNetwork) Neighbors(group string) ([]NeighborStatus, bool) {
	return []NeighborStatus{{PeerID: "01"}, {PeerID: "02"}}, group == "aa"
}

func (f *fakeNetwork) Subscribe(g func(Event)) func() {
	f.subscribed <- g
	return func() {}
}

func (f *fakeNetwork) Post(_ context.Context, group string, message any) (string, error) {
	if group != "aa" {
		return "", ErrNoGroup
	}
	f.posts = append(f.posts, message)
	return "id", nil
}

func (f *fakeNetwork) Posts(group string) (list []PostStatus, ok bool) {
	for _, p := range f.posts {
		list = append(list, PostStatus{MessageID: "id", Message: p})
	}
	return list, group == "aa"
}

func (f *fakeNetwork) Send(_ context.Context, _ string, message any, to SendTarget) (SendResult, error) {
	switch {
	case to.Reply && to.To == "nobody":
		return SendResult{}, ErrNoAnswer
	case to.Reply:
		return SendResult{Result: "sent", Answer: message, PeerID: to.Peer}, nil
	case to.To == "":
		return SendResult{}, ErrNotAllowed
	}
	return SendResult{Result: "sent"}, nil
}

func (f *fakeNetwork) Object(_ context.Context, _ string, index uint64) ([]byte, error) {
	if index == 7 {
		return []byte("seven"), nil
	}
	return nil, ErrNoObject
}

func (f *fakeNetwork) PutObject(string, uint64, []byte) error { return nil }

func (f *fakeNetwork) RemoveObject(_ string, index uint64) error {
	if index == 9 {
		return nil
	}
	return ErrNoObject
}

func newGroupServer(t *testing.T) (*httptest.Server, *fakeNetwork) {
	t.Helper()
	network := &fakeNetwork{subscribed: make(chan func(Event), 1)}
	s, err := New(Config{Backend: fixed{}, Network: network}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler(false))
	t.Cleanup(server.Close)
	return server, network
}

func TestGroupsAPI(t *testing.T) {
	server, network := newGroupServer(t)
	for _, tt := range []struct {
		method, path, body, origin string
		status                     int
		want                       string
	}{
		{"GET", "/api/v1/groups", "", "", 200, `"itemCount":1`},
		{"GET", "/api/v1/groups/aa", "", "", 200, `"name":"group"`},
		{"GET", "/api/v1/groups/bb", "", "", 404, "no such group"},
		{"GET", "/api/v1/groups/aa/neighbors?itemsPerPage=1", "", "", 200, `"pageCount":2`},
		{"GET", "/api/v1/groups/bb/neighbors", "", "", 404, "no such group"},
		{"POST", "/api/v1/groups/aa/neighbors", "", "", 405, "not allowed"},
		{"POST", "/api/v1/groups/aa/posts", "hello", "", 200, `"messageID":"id"`},
		{"POST", "/api/v1/groups/aa/posts", "", "", 400, "UTF-8"},
		{"POST", "/api/v1/groups/aa/posts", "\xff", "", 400, "UTF-8"},
		{"GET", "/api/v1/groups/aa/posts", "", "", 200, `"message":"hello"`},
		{"GET", "/api/v1/groups/bb/posts", "", "", 404, "no such group"},
		{"DELETE", "/api/v1/groups/aa/posts", "", "", 405, `{"error":`},
		{"GET", "/api/v1/groups/aa/send", "", "", 405, `{"error":`},
		{"POST", "/api/v1/groups/aa/send?peer=01&reply=true", "hello", "", 200, `"answer":"hello","peerID":"01"`},
		{"POST", "/api/v1/groups/aa/send?to=nobody&reply=true", "hello", "", 504, "answered"},
		{"POST", "/api/v1/groups/aa/posts", "evil", "http://evil.example", 403, "own pages"},
		{"POST", "/api/v1/groups/aa/posts", strings.Repeat("x", maxPostBytes+1), "", 413, "at most"},
		{"POST", "/api/v1/groups/bb/posts", "hello", "", 404, "no such group"},
		{"POST", "/api/v1/groups/aa/send?to=allNeighbors", "hello", "", 200, "sent"},
		{"POST", "/api/v1/groups/aa/send", "hello", "", 403, "not allowed"},
		{"GET", "/api/v1/groups/aa/objects/7", "", "", 200, "seven"},
		{"GET", "/api/v1/groups/aa/objects/8", "", "", 404, "no such object"},
		{"GET", "/api/v1/groups/aa/objects/-1", "", "", 400, "a number"},
		{"GET", "/api/v1/groups/aa/objects/7x", "", "", 400, "a number"},
		{"GET", "/api/v1/groups/aa/objects/9007199254740991", "", "", 400, "a number"},
		{"PUT", "/api/v1/groups/aa/objects/9", "evil", "http://evil.example", 403, "own pages"},
		{"PUT", "/api/v1/groups/aa/objects/9", strings.Repeat("x", maxObjectBytes+1), "", 413, "at most"},
		{"DELETE", "/api/v1/groups/aa/objects/9", "", "", 204, ""},
		{"DELETE", "/api/v1/groups/aa/objects/8", "", "", 404, "no such object"},
		{"PUT", "/api/v1/groups/aa/objects/9", "nine", "", 204, ""},
		{"PATCH", "/api/v1/groups/aa/objects/9", "", "", 405, `{"error":`},
		{"GET", "/api/v1/groups/aa/nothing", "", "", 404, "openapi"},
	} {
		r, err := http.NewRequest(tt.method, server.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s %s: %d %q, want %d with %q", tt.method, tt.path, resp.StatusCode, body, tt.status, tt.want)
		}
	}
	if len(network.posts) != 1 || network.posts[0] != "hello" {
		t.Errorf("posts are %q", network.posts)
	}
}

func TestEvents(t *testing.T) {
	server, network := newGroupServer(t)
	resp, err := http.Get(server.URL + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("content type %q", kind)
	}
	tell := <-network.subscribed
	tell(Event{Code: "NetGroup.Neighbor.Connect", Time: time.Unix(1, 0), PeerID: "01"})
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Code != "NetGroup.Neighbor.Connect" || e.PeerID != "01" {
			t.Errorf("event %q: %v", data, err)
		}
		return
	}
	t.Fatalf("the stream ended: %v", lines.Err())
}
