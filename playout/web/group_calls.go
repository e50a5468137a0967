package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// posts lists the last posts of a group, or adds one.
func (s *Server) posts(w http.ResponseWriter, r *http.Request, group string) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		s.post(w, r, func(ctx context.Context, message any) (any, error) {
			id, err := s.config.Network.Post(ctx, group, message)
			return map[string]string{"messageID": id}, err
		})
		return
	default:
		refuseMethod(w, "GET, HEAD, POST")
		return
	}
	list, ok := s.config.Network.Posts(group)
	if !ok {
		writeError(w, ErrNoGroup)
		return
	}
	if list == nil {
		list = []PostStatus{}
	}
	writePage(w, r, list)
}

// post runs f with the message that a POST brings: JSON if its content type
// says so, else the body as a string.
func (s *Server) post(w http.ResponseWriter, r *http.Request, f func(ctx context.Context, message any) (any, error)) {
	if r.Method != http.MethodPost {
		refuseMethod(w, "POST")
		return
	}
	if !sameOrigin(r) {
		writeJSON(w, http.StatusForbidden, apiError{foreignPage})
		return
	}
	body, err := readBody(w, r, maxPostBytes)
	if err != nil {
		writeError(w, err)
		return
	}
	message, err := parseMessage(r.Header.Get("Content-Type"), body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, apiError{err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), networkPatience)
	defer cancel()
	answer, err := f(ctx, message)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

const foreignPage = "requests that change something must come from this node's own pages or from no page"

// maxDepth bounds how deep JSON goes: values between members go no deeper.
const maxDepth = 12

// parseMessage reads the body of a POST.
func parseMessage(contentType string, body []byte) (message any, err error) {
	media, _, _ := mime.ParseMediaType(contentType)
	if media != "application/json" {
		if !utf8.Valid(body) || len(body) == 0 {
			return nil, errors.New("a message is text in UTF-8, or JSON with Content-Type: application/json")
		}
		return string(body), nil
	}
	if err := json.Unmarshal(body, &message); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if depthOf(message) > maxDepth {
		return nil, fmt.Errorf("JSON goes deeper than %d", maxDepth)
	}
	return message, nil
}

func depthOf(v any) (depth int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			depth = max(depth, depthOf(e))
		}
	case map[string]any:
		for _, e := range v {
			depth = max(depth, depthOf(e))
		}
	default:
		return 0
	}
	return depth + 1
}

// readBody reads a body of bounded length.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return nil, fmt.Errorf("%w: at most %d bytes", ErrTooMuch, most)
	}
	return body, err
}

// sameOrigin refuses what a page of somebody else's makes a browser send.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || strings.TrimPrefix(strings.TrimPrefix(origin, "http://"), "https://") == r.Host
}

// refuseMethod is notAllowed for the API: errors are JSON there.
func refuseMethod(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	writeJSON(w, http.StatusMethodNotAllowed, apiError{"method not allowed"})
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, ErrNoGroup), errors.Is(err, ErrNoObject):
		status = http.StatusNotFound
	case errors.Is(err, ErrNotAllowed):
		status = http.StatusForbidden
	case errors.Is(err, ErrTooMuch):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrAlone):
		status = http.StatusServiceUnavailable
	case errors.Is(err, ErrNoAnswer), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	writeJSON(w, status, apiError{err.Error()})
}

// maxIndex is the largest index that an object can have.
const maxIndex = 1<<53 - 2

// object fetches, offers or withdraws one object.
func (s *Server) object(w http.ResponseWriter, r *http.Request, group, number string) {
	index, err := strconv.ParseUint(number, 10, 64)
	if err != nil || index > maxIndex || strconv.FormatUint(index, 10) != number {
		writeJSON(w, http.StatusBadRequest, apiError{"an object's index is a number from 0 to 2^53 - 2"})
		return
	}
	n := s.config.Network
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		ctx, cancel := context.WithTimeout(r.Context(), networkPatience)
		defer cancel()
		object, err := n.Object(ctx, group, index)
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(object)))
		_, _ = w.Write(object) // who has gone reads nothing
		return
	case http.MethodPut, http.MethodDelete:
	default:
		refuseMethod(w, "GET, HEAD, PUT, DELETE")
		return
	}
	if !sameOrigin(r) {
		writeJSON(w, http.StatusForbidden, apiError{foreignPage})
		return
	}
	if r.Method == http.MethodDelete {
		err = n.RemoveObject(group, index)
	} else {
		var object []byte
		if object, err = readBody(w, r, maxObjectBytes); err == nil {
			err = n.PutObject(group, index, object)
		}
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
