package files_test

import (
	"context"
	"fmt"

	"github.com/ringcast/ringcast/multicast/files"
	"github.com/ringcast/ringcast/multicast/node"
)

// Fetch a file that another member has loaded, and pass it on meanwhile.
func Example() {
	get := func(ctx context.Context, g *node.Group) error {
		s := files.NewShare(g)
		defer s.Close()
		serving, stop := context.WithCancel(ctx)
		defer stop()
		go func() { _ = s.Serve(serving) }()
		return s.Fetch(ctx, files.FetchOptions{
			Name: "talk.mp4", Path: "talk.mp4",
			Progress: func(p files.Progress) { fmt.Printf("\r%d of %d bytes", p.Done, p.Total) },
		})
	}
	_ = get // give it a group that the node has joined
}
