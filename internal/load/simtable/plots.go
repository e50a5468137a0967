package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// shown are the plots that the document shows, by scenario.
var shown = []struct{ scenario, file, title string }{
	{"steady", "delay.svg", "delay of a stream: share of messages that are there by then"},
	{"steady", "the-tail-of-the-delay.svg", "the tail of the delay"},
	{"steady", "egress-of-the-publisher.svg", "egress of the publisher over time"},
	{"steady", "delivery-by-member.svg", "delivery by member, the worst first"},
	{"steady", "bytes-by-kind.svg", "bytes by kind, over the payload received"},
	{"steady", "push-tree-of-slice-0.svg", "who pushes one slice to whom"},
	{"tight", "the-knee.svg", "delivery over the upload there is"},
	{"scale", "growth.svg", "delay over the number of members"},
	{"fusion", "bytes-over-time.svg", "bytes over time in a group with native multicast"},
	{"overlay", "convergence-by-round.svg", "convergence of the ring"},
}

type plotFile struct{ name, title string }

// copyPlots takes the plots of the last, largest run of each scenario.
func copyPlots(runs []*run, images string) ([]plotFile, error) {
	largest := make(map[string]*run)
	for _, r := range runs {
		if old := largest[r.Scenario]; old == nil || r.Nodes > old.Nodes {
			largest[r.Scenario] = r
		}
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		return nil, err
	}
	var list []plotFile
	for _, s := range shown {
		r := largest[s.scenario]
		if r == nil {
			continue
		}
		svg, err := os.ReadFile(filepath.Join(r.dir, s.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name := strings.Join([]string{"sim", s.scenario, s.file}, "-")
		if err := os.WriteFile(filepath.Join(images, name), svg, 0o644); err != nil {
			return nil, err
		}
		list = append(list, plotFile{name, s.title})
	}
	return list, nil
}
