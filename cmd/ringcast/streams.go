package main

import (
	"slices"
	"strings"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout/station"
	"github.com/ringcast/ringcast/playout/web"
)

// streams describes all streams, sorted by name: those that are published
// here, joined with what the station counts of them, and those that are
// configured but not on air.
func (m *media) streams() []web.StreamStatus {
	all := []web.StreamStatus{}
	played := make(map[string]station.Status)
	for _, s := range m.station.Streams() {
		played[s.Path] = s
	}
	known := make(map[string]bool)
	for _, s := range m.registry.Streams() {
		known[s.Path] = true
		d := describe(s, played[s.Path])
		d.Viewers = m.viewers(s.Path)
		all = append(all, d)
	}
	for _, s := range m.wanted {
		if known[s.Name] {
			continue
		}
		waiting := web.StreamStatus{Name: s.Name, State: string(ingest.StateWaiting), Tracks: []web.TrackStatus{}, Viewers: map[string]int{}}
		if s.Source != "" {
			waiting.State, waiting.Source = string(ingest.StateConnecting), config.PublicSource(s.Source)
		}
		all = append(all, waiting)
	}
	slices.SortFunc(all, func(a, b web.StreamStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// describe joins the two ends of a stream.
func describe(in ingest.StreamStatus, out station.Status) web.StreamStatus {
	s := web.StreamStatus{
		Name: in.Path, State: string(in.State), Since: in.Since, Error: in.Error, Connections: in.Connections,
		Source: strings.TrimSpace(in.Protocol + " " + in.Remote), Tracks: []web.TrackStatus{},
		ReceivedBytes: out.Bytes, ReceivedMessages: out.Messages, Gaps: out.Gaps,
	}
	if in.Protocol == "test" || in.Protocol == "file" {
		s.Source = in.Remote
	}
	for class := range out.Dropped {
		s.DroppedMessages += out.Dropped[class] + out.Buffer.Late[class] + out.Buffer.Overflow[class]
	}
	for _, t := range in.Tracks {
		s.Tracks = append(s.Tracks, describeTrack(t))
	}
	return s
}

func describeTrack(t packager.Track) web.TrackStatus {
	return web.TrackStatus{
		Kind: t.ID.String(), Codec: t.Codec.String(), CodecID: t.CodecString(), Width: t.Width, Height: t.Height,
		FrameRate: t.FrameRate, SampleRate: t.SampleRate, Channels: t.Channels,
	}
}
