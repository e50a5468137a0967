package multicast

import "time"

// rateGuess is taken for a stream's rate, with what packets cost, while it is
// not known: in bytes a second.
const rateGuess = 200_000

// tick does what is due in an active stream.
func (s *stream) tick() {
	now := s.e.ms
	s.expire()
	if (s.publishing || s.join.placed) && s.rates.update(now, s.win.known) {
		s.counts.gotControl.update()
		s.counts.sentControl.update()
		s.counts.gotData.update()
		s.owner.sent.update()
		s.setSlots()
	}
	s.controlSlots()
	s.measureLack()
	if now.after(s.childrenAt) >= childCheck {
		s.childrenAt = now
		s.checkChildren()
	}
	if s.publishing {
		s.tickSource()
	} else {
		s.tickReceiver()
	}
	if !s.publishing {
		s.tellNews()
		s.tellDenied()
	}
	s.rotateStatus()
	s.tickPlain()
}

// tickReceiver does what only those do that do not publish the stream.
func (s *stream) tickReceiver() {
	s.believeMaps()
	if s.win.known == 0 {
		return
	}
	if !s.announced && s.win.count > 0 {
		s.announced = true
		s.announceAll()
	}
	s.scan()
	s.tickJoin()
	s.watchParents()
	s.seek()
	s.deliver()
}

// setSlots follows the upload and the stream's rate.
func (s *stream) setSlots() {
	upload, beside := s.e.config.Uplink.available(s.e.now, s.owner)
	if s.e.config.Params.UploadLimit == UploadNone {
		upload = 0
	}
	before := s.slots.k
	rate := s.rates.line()
	if !s.rates.valid {
		rate = rateGuess
	}
	s.slots.setUpload(s.e, upload, beside, rate)
	s.countUsed()
	if before == 0 && s.slots.k > 0 {
		s.tellAll()
	}
}

// controlSlots gives a child away when the uplink's queue stays long.
func (s *stream) controlSlots() {
	queue := float32(s.e.config.Uplink.promisedTime(s.e.now)) / float32(time.Millisecond)
	if !s.catchesUp() && s.slots.feedback(s.e.ms, queue, s.used) || s.used > s.slots.k {
		s.evictLowest()
	}
}
