package rtmfp

import (
	"encoding/binary"
	"io"
	"net/netip"
)

// An answer that is larger than its question makes an endpoint a tool against
// others, whose address anybody can write on a question. Hellos of our own kind
// are padded so that no answer is larger; those of other makes are shorter, and
// what is sent to them passes this bucket.
const (
	growthMax       = 8    // times the size of the question, which is 36 bytes at its shortest
	growthPerPrefix = 50   // answers a second to one /24 or /48
	growthInAll     = 2000 // answers a second to everybody
	keyingsInAll    = 2500 // keyings a second as a responder
	answersVerified = 16   // RIKeyings a second that one initiator looks at
	prefixBuckets   = 1 << 10
)

// bucket lets so many things through in a second, and no more than that at
// once.
type bucket struct {
	tokens float64
	at     Instant
}

func (b *bucket) take(now Instant, rate float64) bool {
	if b.at == 0 {
		b.tokens = rate
	}
	b.tokens = min(b.tokens+rate*max(now.Sub(b.at), 0).Seconds(), rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// growthLimit bounds answers that are larger than their questions. Prefixes
// share buckets, in a way that nobody outside can foresee.
type growthLimit struct {
	all      bucket
	prefixes []bucket // made when first needed
	secret   [2]uint64
}

func newGrowthLimit(entropy io.Reader) (growthLimit, error) {
	var b [16]byte
	if _, err := io.ReadFull(entropy, b[:]); err != nil {
		return growthLimit{}, err
	}
	return growthLimit{secret: [2]uint64{binary.BigEndian.Uint64(b[:]) | 1, binary.BigEndian.Uint64(b[8:]) | 1}}, nil
}

// allow reports whether an answer of size bytes may go to an address from
// which a question of asked bytes has come; 0 asks for one of unknown size.
func (g *growthLimit) allow(now Instant, to netip.Addr, asked, size int) bool {
	if size <= asked {
		return true
	}
	if asked > 0 && float64(size) > growthMax*float64(asked) {
		return false
	}
	if g.prefixes == nil {
		g.prefixes = make([]bucket, prefixBuckets)
	}
	ip := to.As16()
	prefix := binary.BigEndian.Uint64(ip[:8]) >> 16
	if to.Is4() {
		prefix = uint64(binary.BigEndian.Uint32(ip[12:])>>8) | 1<<63
	}
	i := (prefix*g.secret[0] ^ prefix>>32) * g.secret[1] >> (64 - 10)
	return g.prefixes[i].take(now, growthPerPrefix) && g.all.take(now, growthInAll)
}
