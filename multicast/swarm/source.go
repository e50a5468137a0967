package swarm

import (
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// The stream: 25 frames a second with a key frame each 2 s, and AAC of 44.1 kHz.
const (
	frameMillis  = 40
	groupFrames  = 50
	audioSamples = 1024
	audioRate    = 44_100
	audioBits    = 64_000
	// keyWeight is how many times as large as others a key frame is.
	keyWeight = 6.67
)

// source writes the stream at the publisher.
type source struct {
	sim    *Sim
	write  func(m packager.Message)
	begin  reliability.Time
	frame  int // the next video frame
	sound  int // the next audio frame
	audioB int
	frameB int
	body   []byte
}

// start begins to write: each message at its own time.
func (s *Sim) startSource(write func(m packager.Message)) {
	bits := min(audioBits, s.sc.Rate/4)
	c := &source{sim: s, write: write, begin: s.now}
	c.audioB = int(bits / 8 * audioSamples / audioRate)
	groupBytes := (s.sc.Rate - bits) / 8 * frameMillis / 1000 * groupFrames
	c.frameB = int(groupBytes / (groupFrames - 1 + keyWeight))
	c.body = make([]byte, int(keyWeight*float64(c.frameB))+64)
	for i := range c.body {
		c.body[i] = byte(scramble(uint64(i)))
	}
	c.next()
}

func audioTime(k int) time.Duration {
	return time.Duration(k) * audioSamples * time.Second / audioRate
}

// next writes the message that is due and arms the next one.
func (c *source) next() {
	video, audio := time.Duration(c.frame)*frameMillis*time.Millisecond, audioTime(c.sound)
	if video <= audio {
		c.writeVideo()
	} else {
		c.writeAudio()
	}
	at := min(time.Duration(c.frame)*frameMillis*time.Millisecond, audioTime(c.sound))
	c.sim.At(c.begin.Add(at), c.next)
}

func (c *source) writeVideo() {
	k := c.frame
	c.frame++
	size, class, head, nal := c.frameB, reliability.ClassReference, byte(0x27), byte(0x41)
	switch {
	case k%groupFrames == 0:
		size, class, head, nal = int(keyWeight*float64(c.frameB)), reliability.ClassKey, 0x17, 0x65
	case k%2 == 1:
		class, nal = reliability.ClassDisposable, 0x01
	}
	n := size - 5
	length := n - 4
	body := append([]byte{head, 1, 0, 0, 0, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length), nal}, c.body[:n-5]...)
	c.put(packager.NewMessage(packager.MessageVideo, uint32(k*frameMillis), body), class)
}

func (c *source) writeAudio() {
	k := c.sound
	c.sound++
	body := append([]byte{0xaf, 1}, c.body[:c.audioB-2]...)
	c.put(packager.NewMessage(packager.MessageAudio, uint32(audioTime(k)/time.Millisecond), body), reliability.ClassAudio)
}

func (c *source) put(m packager.Message, class reliability.Class) {
	m.Class = class
	l := &c.sim.ledger.media
	i := int32(len(l.messages))
	w := message{at: c.sim.now, class: class, video: m.Type == packager.MessageVideo, size: int32(m.Len())}
	if w.video {
		l.video = append(l.video, i)
	} else {
		l.audio = append(l.audio, i)
	}
	l.messages = append(l.messages, w)
	c.write(m)
}
