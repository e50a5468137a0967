package rtmp_test

import (
	"context"
	"log/slog"
	"net"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/ingest/rtmp"
	"github.com/ringcast/ringcast/packager"
)

// discard is where a program puts its own output.
type discard struct{}

func (discard) WriteMessage(string, packager.Message) {}
func (discard) EndStream(string)                      {}

// Encoders push to rtmp://127.0.0.1:1935/live/STREAM?key=secret until the
// context ends.
func ExampleServer() {
	serve := func(ctx context.Context) error {
		config := ingest.DefaultConfig()
		config.Key = "secret"
		registry := ingest.NewRegistry(config, discard{}, slog.Default())
		l, err := net.Listen("tcp", "127.0.0.1:1935")
		if err != nil {
			return err
		}
		return rtmp.NewServer(registry, nil, slog.Default()).Run(ctx, l)
	}
	_ = serve
}
