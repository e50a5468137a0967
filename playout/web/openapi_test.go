package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document is what the tests read of the OpenAPI document.
type document struct {
	Paths      map[string]map[string]any
	Components struct {
		Schemas map[string]struct{ Properties map[string]any }
	}
}

func readDocument(t *testing.T) (doc document) {
	t.Helper()
	w := serve(newServer(t, fixed{}), http.MethodGet, "/api/openapi.json")
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The document describes every field that the API sends, and no others.
func TestOpenAPIDescribesTheFields(t *testing.T) {
	doc := readDocument(t)
	for schema, v := range map[string]any{
		"Node": NodeStatus{}, "Listener": ListenerStatus{}, "Stream": StreamStatus{}, "Track": TrackStatus{}, "URLs": URLs{}, "Multicast": MulticastStatus{},
		"Group": GroupStatus{}, "Introducer": IntroducerStatus{}, "Neighbor": NeighborStatus{}, "LinkSlices": LinkSlices{},
		"Post": PostStatus{}, "SendResult": SendResult{}, "Event": Event{}, "Error": apiError{},
	} {
		var fields []string
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields = append(fields, name)
			if _, ok := doc.Components.Schemas[schema].Properties[name]; !ok {
				t.Errorf("%s.%s is not in the document", schema, name)
			}
		}
		for name := range doc.Components.Schemas[schema].Properties {
			if !slices.Contains(fields, name) {
				t.Errorf("%s.%s is in the document and nowhere else", schema, name)
			}
		}
	}
}

// Every path and method of the document is served, and the server allows no
// methods beyond them.
func TestOpenAPIDescribesTheRoutes(t *testing.T) {
	doc := readDocument(t)
	want := []string{
		"/api/openapi.json", "/api/v1/events", "/api/v1/groups", "/api/v1/groups/{id}", "/api/v1/groups/{id}/neighbors",
		"/api/v1/groups/{id}/objects/{index}", "/api/v1/groups/{id}/posts", "/api/v1/groups/{id}/send", "/api/v1/node", "/api/v1/streams", "/api/v1/streams/{name}",
	}
	for _, path := range want {
		if doc.Paths[path] == nil {
			t.Errorf("%s is not in the document", path)
		}
	}
	if len(doc.Paths) != len(want) {
		t.Errorf("%d paths, want %d", len(doc.Paths), len(want))
	}
	server, _ := newGroupServer(t)
	parameter := regexp.MustCompile(`{[a-z]+}`)
	for path, methods := range doc.Paths {
		// A method that no path has is refused with a list of those it has.
		r, err := http.NewRequest("PROPFIND", server.URL+parameter.ReplaceAllString(strings.Replace(path, "{id}", "aa", 1), "7"), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d for a method that there is not", path, resp.StatusCode)
		}
		var allowed, described []string
		for m := range strings.SplitSeq(resp.Header.Get("Allow"), ", ") {
			if m != http.MethodHead { // it is where GET is
				allowed = append(allowed, m)
			}
		}
		for m := range methods {
			described = append(described, strings.ToUpper(m))
		}
		slices.Sort(allowed)
		slices.Sort(described)
		if !slices.Equal(allowed, described) {
			t.Errorf("%s: the server has %v, the document %v", path, allowed, described)
		}
	}
}
