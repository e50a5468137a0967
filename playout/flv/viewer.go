package flv

import (
	"slices"
	"time"

	"github.com/ringcast/ringcast/packager/flv"
)

const videoKind = flv.TypeVideo

// viewer is one reader of a stream. Its queue is guarded by the stream's lock.
type viewer struct {
	queue   []tag
	bytes   int
	waitKey bool // video is dropped until the next key frame
	started bool // the group of pictures it begins with is in
	ended   bool
	// played is set for readers by RTMP. noAudio and noVideo leave out what
	// such a reader does not want.
	played, noAudio, noVideo bool
	wake                     chan struct{}

	// What follows belongs to the viewer's own goroutine.
	base    time.Duration // decode time of the first frame
	based   bool
	last    [flv.TypeScript + 1]uint32
	scratch []byte
}

func newViewer() *viewer { return &viewer{wake: make(chan struct{}, 1)} }

func (v *viewer) signal() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (v *viewer) end() {
	v.ended = true
	v.signal()
}

// unwanted reports whether the viewer asked not to get a tag.
func (v *viewer) unwanted(t *tag) bool {
	return !t.config && (v.noAudio && t.kind == flv.TypeAudio || v.noVideo && t.kind == flv.TypeVideo)
}

// span is the media time in the queue.
func (v *viewer) span() time.Duration {
	var first, last time.Duration
	found := false
	for i := range v.queue {
		if v.queue[i].config {
			continue
		}
		if !found {
			first, found = v.queue[i].dts, true
		}
		last = v.queue[i].dts
	}
	return last - first
}

// shed empties the queue but for configurations and returns the number of
// tags dropped.
func (v *viewer) shed() int {
	before := len(v.queue)
	v.queue = slices.DeleteFunc(v.queue, func(t tag) bool { return !t.config })
	v.bytes = 0
	for i := range v.queue {
		v.bytes += v.queue[i].size()
	}
	return before - len(v.queue)
}

// timestamp is the tag's time for this viewer, whose first frame is at 0. On
// one track it never falls.
func (v *viewer) timestamp(t *tag) uint32 {
	if !t.config && !v.based {
		v.base, v.based = t.dts, true
	}
	if t.config {
		return v.last[t.kind]
	}
	ms := max((t.dts - v.base).Milliseconds(), 0)
	// Timestamps are 31 bits in most readers; 24 days are enough for one
	// viewer, who starts over then.
	timestamp := max(uint32(ms&0x7fffffff), v.last[t.kind])
	v.last[t.kind] = timestamp
	return timestamp
}
