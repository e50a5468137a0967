package flv_test

import (
	"log/slog"
	"net/http"

	"github.com/ringcast/ringcast/playout/flv"
	"github.com/ringcast/ringcast/playout/station"
)

// Viewers open http://HOST/live/STREAM.flv.
func ExampleServer() {
	serve := func(mux *http.ServeMux, streams *station.Station) {
		server := flv.New(slog.Default())
		streams.AddSink(server.Sink)
		mux.Handle("/live/", server)
	}
	_ = serve
}
