package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Limits of paged lists.
const (
	defaultItemsPerPage = 100
	maxItemsPerPage     = 1000
)

// listPage is one page of a list.
type listPage[T any] struct {
	Items     []T `json:"items"`
	ItemCount int `json:"itemCount"`
	PageCount int `json:"pageCount"`
}

// apiError is the body of an answer that is not 200.
type apiError struct {
	Error string `json:"error"`
}

// api serves everything below /api.
func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	switch p := strings.TrimSuffix(r.URL.Path, "/"); {
	case p == "/api/openapi.json":
		s.assets["openapi.json"].serve(w, r)
	case p == "/api/v1/node":
		writeJSON(w, http.StatusOK, s.config.Backend.Node())
	case p == "/api/v1/streams":
		all := s.config.Backend.Streams()
		if all == nil {
			all = []StreamStatus{}
		}
		writePage(w, r, all)
	case strings.HasPrefix(p, "/api/v1/streams/"):
		s.apiStream(w, strings.TrimPrefix(p, "/api/v1/streams/"))
	default:
		writeJSON(w, http.StatusNotFound, apiError{"no such resource; see /api/openapi.json"})
	}
}

func (s *Server) apiStream(w http.ResponseWriter, name string) {
	all := s.config.Backend.Streams()
	i := slices.IndexFunc(all, func(st StreamStatus) bool { return st.Name == name })
	if i < 0 {
		writeJSON(w, http.StatusNotFound, apiError{"no such stream"})
		return
	}
	writeJSON(w, http.StatusOK, all[i])
}

// writePage answers one page of a list; pages count from 0.
func writePage[T any](w http.ResponseWriter, r *http.Request, all []T) {
	page, ok1 := queryInt(r, "page", 0, 0, 1<<30)
	perPage, ok2 := queryInt(r, "itemsPerPage", defaultItemsPerPage, 1, maxItemsPerPage)
	if !ok1 || !ok2 {
		writeJSON(w, http.StatusBadRequest, apiError{"page counts from 0, itemsPerPage is 1 to 1000"})
		return
	}
	first := min(page*perPage, len(all))
	items := all[first:min(first+perPage, len(all))]
	writeJSON(w, http.StatusOK, listPage[T]{Items: items, ItemCount: len(all), PageCount: (len(all) + perPage - 1) / perPage})
}

// queryInt reads a bounded number from the query.
func queryInt(r *http.Request, name string, value, least, most int) (int, bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return value, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= most
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // such as a number that is none: say so instead of nothing
		status = http.StatusInternalServerError
		text, _ = json.Marshal(apiError{err.Error()})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(append(text, '\n'))
}

// health answers as long as the process serves at all.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready answers 200 when the node does what it was started for.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if ok, reason := s.config.Backend.Ready(); !ok {
		writeJSON(w, http.StatusServiceUnavailable, apiError{reason})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
