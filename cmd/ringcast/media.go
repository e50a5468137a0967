package main

import (
	"context"
	"net/http"
	"slices"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout/web"
)

// part is something that runs until its context is done.
type part struct {
	name string
	run  func(context.Context) error
}

// media holds the parts that take streams in and serve them.
type media struct {
	sources []config.Stream
}

func newMedia(n *node) (*media, error) {
	m := &media{}
	for _, s := range n.loaded.AllStreams() {
		clean, err := packager.CleanStreamPath(s.Name)
		if err != nil {
			return nil, usageError(err)
		}
		s.Name = clean
		m.sources = append(m.sources, s)
	}
	return m, nil
}

// configured returns the streams of the configuration by canonical name.
func (m *media) configured() []config.Stream { return m.sources }

func (m *media) hls() http.Handler { return nil }
func (m *media) flv() http.Handler { return nil }

// servers run until the very end, feeds until the node begins to stop.
func (m *media) servers() []part { return nil }
func (m *media) feeds() []part   { return nil }

// endStreams ends all streams, so that their playlists do.
func (m *media) endStreams() {}

// setKey changes the publish key.
func (m *media) setKey(string) {}

// streams describes all streams, sorted by name.
func (m *media) streams() []web.StreamStatus { return []web.StreamStatus{} }

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
