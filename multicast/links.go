package multicast

import "github.com/ringcast/ringcast/overlay"

// LinkSlices says which slices of a stream a link carries at present, bit i for
// slice i.
type LinkSlices struct {
	Peer overlay.PeerID
	Name string
	// From are the slices that the neighbor pushes to this node, To those that
	// this node pushes to it.
	From, To uint8
}

// InUse reports whether a neighbor pushes anything to this node, or gets
// anything from it.
func (e *Engine) InUse(peer overlay.PeerID) bool {
	n := e.neighbor(&peer)
	if n == nil {
		return false
	}
	for _, s := range e.streams {
		if p := &s.peers[n.index]; p.owns|p.feeds|p.asking != 0 {
			return true
		}
	}
	return false
}

// Links returns what is pushed over the links with neighbors, by stream and
// neighbor. Links that carry nothing are left out.
func (e *Engine) Links() []LinkSlices {
	var list []LinkSlices
	for _, s := range e.streams {
		first := len(list)
		add := func(index int16, slice int, to bool) {
			if index == none || e.neighbors[index] == nil {
				return
			}
			peer := e.neighbors[index].id
			i := first
			for i < len(list) && list[i].Peer != peer {
				i++
			}
			if i == len(list) {
				list = append(list, LinkSlices{Peer: peer, Name: s.name})
			}
			if to {
				list[i].To |= 1 << slice
			} else {
				list[i].From |= 1 << slice
			}
		}
		for c := range s.slices {
			add(s.slices[c].parent, c, false)
			for _, k := range s.slices[c].children {
				if k.stop == 0 {
					add(k.index, c, true)
				}
			}
		}
	}
	return list
}
