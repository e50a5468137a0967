package packager

import "time"

// Catalog is what a late joiner must know beyond the decoder configurations to
// present a stream exactly like a node that has played it from the start: the
// clock mapping and the state of the segmentation. The publisher sends it at
// the start of each segment, before the segment's first sample.
type Catalog struct {
	// Epoch tells two runs of a publisher apart. It is chosen at random when
	// the stream starts and kept over reconnections within the grace time.
	Epoch uint64
	// MediaTime is the full media time of this message, which restores what
	// the 32-bit timestamps lose.
	MediaTime time.Duration
	// Wall is the publisher's wall clock at media time 0, in Unix
	// milliseconds. Every node derives EXT-X-PROGRAM-DATE-TIME from it.
	Wall int64

	// Segment is the segment that begins here.
	Segment Cut
	// Segmentation is the rule by which the next ones are cut.
	Segmentation Segmentation
	// Video and Audio say which tracks the stream has now.
	Video, Audio bool

	// Frame is the frame by which [LongestPart] chooses, 0 before the second
	// picture; FrameRate is the rate that the publisher knows, 0 if none.
	Frame     time.Duration
	FrameRate float64
	// AudioMark is where the last audio unit before this message was placed,
	// if HasAudioMark is set: from it every node places the following ones
	// alike, wherever it joined.
	AudioMark    AudioMark
	HasAudioMark bool
}

// Cut is the start of a segment.
type Cut struct {
	// Number counts segments from 1 and never repeats within an epoch.
	Number uint64
	// Start is the decode time of the segment's first video frame, or of its
	// first audio frame if there is no video. If the video has stalled, it
	// may lie before the sample at which the cut is noticed.
	Start time.Duration
	// Independent is set if the segment begins with a key frame.
	Independent bool
	// Discontinuity counts the format changes before this segment.
	Discontinuity uint64
}

// Segmentation holds the parameters of the segmentation rule.
type Segmentation struct {
	// Min is the shortest segment: a key frame after it cuts.
	Min time.Duration
	// Target is EXT-X-TARGETDURATION, a whole number of seconds. A segment
	// that would get longer than Target + 0.49 s is cut without a key frame.
	Target time.Duration
	// Part is the longest partial segment.
	Part time.Duration
}
