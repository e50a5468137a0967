package reliability

// maxChains is how many groups of pictures a Chain remembers: more than the
// longest window holds of the shortest useful groups.
const maxChains = 64

// Chain follows which video messages of a stream can still be decoded. A key
// frame begins a group of pictures; when it or a reference frame of its group
// is lost, what comes later in the group is of no use and not worth a request.
//
// Messages are named by a number that rises in decoding order, such as the
// number of their first fragment, and may become known in any order. What the
// Chain has not been told of counts as not lost, so it errs on the side of
// asking. The zero value is ready to use. Not safe for concurrent use.
type Chain struct {
	groups []group // ascending
}

// group is a group of pictures: from its key frame to the next one known.
type group struct {
	key     uint64
	keyLost bool
	lost    uint64 // the first reference frame lost, 0 for none
}

// find returns the index of the group that the message belongs to, or -1.
func (c *Chain) find(message uint64) int {
	low, high := 0, len(c.groups)
	for low < high {
		middle := (low + high) / 2
		if c.groups[middle].key <= message {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1
}

// Know tells that the message is there to be had and of this class.
func (c *Chain) Know(message uint64, class Class) {
	if class == ClassKey {
		c.begin(message)
	}
}

// begin makes a group, if it is new, and returns its index, or -1 for one that
// is older than all that are remembered.
func (c *Chain) begin(key uint64) int {
	i := c.find(key)
	if i >= 0 && c.groups[i].key == key {
		return i
	}
	if len(c.groups) == maxChains {
		if i < 0 {
			return -1
		}
		copy(c.groups, c.groups[1:])
		c.groups = c.groups[:maxChains-1]
		i--
	}
	g := group{key: key}
	if i >= 0 && c.groups[i].lost > key {
		// The loss turns out to be in the new group.
		g.lost, c.groups[i].lost = c.groups[i].lost, 0
	}
	i++
	c.groups = append(c.groups, group{})
	copy(c.groups[i+1:], c.groups[i:])
	c.groups[i] = g
	return i
}

// Lose tells that the message will never be whole.
func (c *Chain) Lose(message uint64, class Class) {
	switch class {
	case ClassKey:
		if i := c.begin(message); i >= 0 {
			c.groups[i].keyLost = true
		}
	case ClassReference:
		i := c.find(message)
		if i < 0 {
			return
		}
		if g := &c.groups[i]; g.lost == 0 || message < g.lost {
			g.lost = message
		}
	}
}

// Broken reports whether the message, of this class, cannot be decoded because
// of what was lost before it. Only reference and disposable frames can be.
func (c *Chain) Broken(message uint64, class Class) bool {
	if class != ClassReference && class != ClassDisposable {
		return false
	}
	i := c.find(message)
	if i < 0 {
		return false
	}
	g := &c.groups[i]
	return g.keyLost || g.lost != 0 && g.lost < message
}

// Forget drops what lies before the message and before its group.
func (c *Chain) Forget(message uint64) {
	if i := c.find(message); i > 0 {
		n := copy(c.groups, c.groups[i:])
		c.groups = c.groups[:n]
	}
}
