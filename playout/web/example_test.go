package web_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ringcast/ringcast/playout/web"
)

// idle is a node without streams.
type idle struct{}

func (idle) Node() web.NodeStatus         { return web.NodeStatus{} }
func (idle) Streams() []web.StreamStatus  { return nil }
func (idle) Ready() (ok bool, why string) { return false, "no stream yet" }

// The web server asks the program what goes on.
func ExampleServer() {
	server, err := web.New(web.Config{Backend: idle{}, HLS: http.NotFoundHandler(), FLV: http.NotFoundHandler()}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		server.Handler(false).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// /healthz 200 {"status":"ok"}
	// /readyz 503 {"error":"no stream yet"}
}
