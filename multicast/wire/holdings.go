package wire

import "github.com/ringcast/ringcast/fragmenter"

// Holdings is what a node holds of a stream, as maps and status tell of it.
type Holdings interface {
	// Newest is the highest fragment held, 0 if there is none.
	Newest() fragmenter.ID
	// Oldest is the lowest fragment that is still kept if it came, at least 1
	// and not above Newest unless nothing is held.
	Oldest() fragmenter.ID
	// Has reports whether a fragment between Oldest and Newest is held.
	Has(id fragmenter.ID) bool
	// RunStart returns the lowest number, but not below floor, from which on
	// up to id all fragments are held if id is, or all are missing if id is.
	// floor is at least Oldest.
	RunStart(id, floor fragmenter.ID) fragmenter.ID
}
