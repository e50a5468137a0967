package multicast

import (
	"time"
)

// Stats returns the counters of the stream of a name that is published or
// played here; zeros if there is none.
func (e *Engine) Stats(name string) Info {
	for _, s := range e.streams {
		if s.name == name && s.active {
			return s.info()
		}
	}
	return Info{}
}

func (s *stream) info() Info {
	w := s.win.Stats()
	sent := &s.owner.sent
	i := Info{
		SendDataBytesPerSecond:       float64(sent.rate),
		SendControlBytesPerSecond:    float64(s.counts.sentControl.rate),
		ReceiveDataBytesPerSecond:    float64(s.counts.gotData.rate),
		ReceiveControlBytesPerSecond: float64(s.counts.gotControl.rate),

		BytesPushedToPeers: s.owner.pushedBytes, FragmentsPushedToPeers: s.owner.pushed,
		BytesRequestedByPeers: s.owner.pulledBytes, FragmentsRequestedByPeers: s.owner.pulled,
		BytesPushedFromPeers: w.Bytes[SourcePush], FragmentsPushedFromPeers: w.Fragments[SourcePush],
		BytesRequestedFromPeers: w.Bytes[SourcePull], FragmentsRequestedFromPeers: w.Fragments[SourcePull],
		BytesReceivedFromIPMulticast: w.Bytes[SourceNative], FragmentsReceivedFromIPMulticast: w.Fragments[SourceNative],

		BytesSentControl: s.counts.sentControl.bytes, BytesReceivedControl: s.counts.gotControl.bytes,
		Duplicates: s.counts.duplicates, DuplicateBytes: s.counts.duplicateBytes,
		OutOfWindow: s.counts.outOfWindow, Malformed: s.counts.malformed,

		Newest: s.win.Known(), Oldest: s.win.Oldest(), Held: s.win.Len(),
		Holes: s.win.Missing(), PullsInFlight: len(s.pulls),
		Children: s.used, Slots: s.slots.k, QueueTime: s.e.config.Uplink.QueueTime(s.e.now),
		ParentChanges: s.counts.parentChanges, ParentsLost: s.counts.parentsLost, Refusals: s.counts.refusals,
		Drops: s.owner.drops, Messages: s.counts.messages, MessageBytes: s.counts.messageBytes,
	}
	i.Lack = float64(s.lack.all)
	if s.source != nil {
		i.LeftOut, i.LeftOutBytes = s.source.thinning.leftOut, s.source.thinning.leftOutBytes
	}
	// When all has left the window, the oldest kept is the one after the newest.
	if span := s.win.Known() + 1 - s.win.Oldest(); s.win.Known() != 0 && span > 0 {
		i.WindowFill = float64(i.Held) / float64(span)
	}
	for c := range s.slices {
		if s.slices[c].parent != none {
			i.Owners++
		}
		if lag, known := s.lagOf(c); known && !s.publishing {
			i.Delay = max(i.Delay, time.Duration(lag*float32(time.Millisecond)))
		}
	}
	return i
}

// Streams returns the streams that are known in the group, in the order in
// which they were first seen.
func (e *Engine) Streams() []StreamInfo {
	var all []StreamInfo
	for _, s := range e.streams {
		i := StreamInfo{
			Name: s.name, Key: s.key, Params: s.params,
			Publishing: s.publishing, Playing: s.play != nil, Ended: s.end != 0,
			Neighbors: s.announcers(),
		}
		if s.active {
			i.Newest = s.win.Newest()
			i.Silent = time.Duration(e.ms.after(s.progress)) * time.Millisecond
		}
		all = append(all, i)
	}
	return all
}
