package packager

// EventKind says which fields of an [Event] are set.
type EventKind uint8

// The kinds of events.
const (
	// EventTracks: the set of tracks, or the configuration of one, is new.
	// Tracks holds the whole set. It comes before the first sample and again
	// only when something differs; repeated configurations cause none.
	EventTracks EventKind = iota + 1
	// EventSample: Sample is the next access unit. Within a track DTS rises
	// strictly.
	EventSample
	// EventCatalog: Catalog was received; a segment begins.
	EventCatalog
	// EventGap: something was lost before the next sample of Track. Nothing
	// has to be done but to not stretch the previous sample over long holes.
	EventGap
	// EventEnd: the publisher ended the stream. Nothing follows.
	EventEnd
)

// Event is one thing that an output learns of a stream, in stream order.
type Event struct {
	Kind    EventKind
	Tracks  []Track
	Sample  Sample
	Catalog Catalog
	Track   TrackID
}
