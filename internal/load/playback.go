package load

import (
	"encoding/binary"
	"time"
)

// Playback judges RTP packets of video as a player would that keeps a buffer:
// it begins that much later than the first packet came, and stands still when
// a picture is not there at its time. After a stall the buffer is full again.
type Playback struct {
	// Buffer is how much the player keeps.
	Buffer time.Duration

	// Stalls is how often it stood still, and Stalled for how long in all.
	Stalls  int
	Stalled time.Duration
	// Pictures is how many came in whole, and Missing how many packets did not.
	Pictures, Missing int

	last     time.Time // of the newest packet
	start    time.Time // when the picture with the first timestamp would be shown
	first    uint32
	sequence uint16
}

// videoClock is the rate of RTP timestamps of video.
const videoClock = 90_000

// Packet takes a packet that came at a time.
func (p *Playback) Packet(packet []byte, at time.Time) {
	if len(packet) < 12 {
		return
	}
	sequence, stamp := binary.BigEndian.Uint16(packet[2:]), binary.BigEndian.Uint32(packet[4:])
	if p.last.IsZero() {
		p.start, p.first, p.sequence = at.Add(p.Buffer), stamp, sequence-1
	}
	p.Missing += int(sequence - p.sequence - 1)
	p.sequence, p.last = sequence, at
	if packet[1]&0x80 != 0 {
		p.Pictures++
	}
	media := time.Duration(int32(stamp-p.first)) * time.Second / videoClock
	p.start = p.start.Add(media) // of this picture, and now of the first one again
	p.first = stamp
	if late := at.Sub(p.start); late > 0 {
		p.Stalls++
		p.Stalled += late
		p.start = at.Add(p.Buffer)
	}
}

// End says that nothing more comes: a player that has been waiting until then
// has stalled.
func (p *Playback) End(at time.Time) {
	if wait := at.Sub(p.last) - p.Buffer; !p.last.IsZero() && wait > 0 {
		p.Stalls++
		p.Stalled += wait
	}
}
