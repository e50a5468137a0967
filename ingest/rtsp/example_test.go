package rtsp_test

import (
	"context"
	"log/slog"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/ingest/rtsp"
)

// A camera is fetched, and fetched again when the connection breaks.
func ExampleSource() {
	fetch := func(ctx context.Context, registry *ingest.Registry) error {
		camera := rtsp.Source{URL: "rtsp://192.0.2.7/stream1"}
		request := ingest.PublishRequest{Path: "live/camera", Trusted: true, Protocol: "RTSP"}
		return ingest.Supervise(ctx, registry, request, camera, slog.Default())
	}
	_ = fetch
}
