package files

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay/manifest"
)

const (
	// maxListed bounds the files that are looked at: what is offered is for
	// strangers to say.
	maxListed = 64
	// listLook is how often neighbors' offers are looked at, listMore for how
	// long more of them are waited for, listHead how long the heads may take.
	listLook = 50 * time.Millisecond
	listMore = 500 * time.Millisecond
	listHead = 3 * time.Second
)

// List returns the heads of the files that neighbors offer, sorted by name. It
// waits until there is one, or ctx is done.
func List(ctx context.Context, g *node.Group) ([]*manifest.Head, error) {
	tick := time.NewTicker(listLook)
	defer tick.Stop()
	var offered []uint64
	for since := time.Now(); len(offered) == 0 || time.Since(since) < listMore; {
		if len(offered) == 0 {
			since = time.Now()
		}
		offered = g.Offered(manifest.FirstHead, manifest.LastHead, maxListed)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	list := fetchHeads(ctx, g, offered)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	slices.SortFunc(list, func(a, b *manifest.Head) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// fetchHeads fetches heads, all at once: one who offers many and gives none
// holds up the others no longer than with one. What is no head is left out.
func fetchHeads(ctx context.Context, g *node.Group, indexes []uint64) (list []*manifest.Head) {
	limited, stop := context.WithTimeout(ctx, listHead)
	defer stop()
	heads := make([]*manifest.Head, len(indexes))
	var fetching sync.WaitGroup
	for i, index := range indexes {
		fetching.Go(func() {
			b, err := g.Fetch(limited, index)
			if err != nil {
				return
			}
			if h, err := manifest.ParseHead(b); err == nil && manifest.HeadIndex(h.Name) == index {
				heads[i] = &h
			}
		})
	}
	fetching.Wait()
	for _, h := range heads {
		if h != nil {
			list = append(list, h)
		}
	}
	return list
}
