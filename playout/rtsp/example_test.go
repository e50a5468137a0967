package rtsp_test

import (
	"context"
	"log/slog"
	"net"

	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/playout/rtsp"
	"github.com/ringcast/ringcast/playout/station"
)

// Players open rtsp://127.0.0.1:8554/live/STREAM until the context ends.
func ExampleServer() {
	serve := func(ctx context.Context, streams *station.Station) error {
		l, err := net.Listen("tcp", "127.0.0.1:8554")
		if err != nil {
			return err
		}
		server := rtsp.New(rtsp.DefaultConfig(), l, nil, slog.Default())
		if err := server.Start(); err != nil {
			return err
		}
		streams.AddSink(func(path string) playout.Sink { return server.Sink(path) })
		return server.Run(ctx)
	}
	_ = serve
}
