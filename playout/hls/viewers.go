package hls

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// viewerExpiry is for how long somebody counts after a playlist request.
	viewerExpiry = 15 * time.Second
	// maxViewers bounds the clients and connections that are remembered.
	maxViewers = 65536
	// maxAgent is how much of a program's name counts, in bytes: it is remembered.
	maxAgent = 256
	// recentAsks is how many updates of a playlist viewers may be apart.
	recentAsks = 8
)

// viewerCount estimates the number of viewers from who asks for playlists.
// There are no cookies, and a browser asks over several connections, so viewers
// of one address with the same program are told apart by what they ask: each of
// them waits for each update of a low-latency playlist once. Those that don't
// wait are counted by their connections.
type viewerCount struct {
	mu      sync.Mutex
	clients map[string]*client
	held    int // clients and connections
	swept   time.Time
}

// client is the viewers at one address with one program.
type client struct {
	at    time.Time
	ports map[string]time.Time
	// asks are the newest updates that were waited for, and how often.
	asks [recentAsks]struct {
		update update
		count  int
	}
	next int
	// most is the largest of these counts since turn, last the one before.
	most, last int
	turn       time.Time
	// told is how often it read the playlist of the stream's end.
	told int
}

// viewers is how many it counts for.
func (c *client) viewers() int { return max(1, len(c.ports), c.most, c.last) }

// update names an update of a playlist.
type update struct {
	which rendition
	msn   uint64
	part  int
}

// clientName names the viewers at an address with the program that asks.
func clientName(host string, r *http.Request) string {
	agent := r.UserAgent()
	return host + "\x00" + agent[:min(len(agent), maxAgent)]
}

func (v *viewerCount) note(r *http.Request, which rendition, ask directives, now time.Time) {
	host, port, _ := net.SplitHostPort(r.RemoteAddr)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sweep(now)
	name := clientName(host, r)
	c := v.clients[name]
	if c == nil {
		if v.held >= maxViewers {
			return
		}
		if v.clients == nil {
			v.clients = make(map[string]*client)
		}
		c = &client{turn: now, ports: make(map[string]time.Time)}
		v.clients[name] = c
		v.held++
	}
	c.at = now
	if ask.blocking {
		c.waitsFor(update{which, ask.msn, ask.part})
		return
	}
	if _, known := c.ports[port]; !known {
		if v.held >= maxViewers {
			return
		}
		v.held++
	}
	c.ports[port] = now
}

// waitsFor counts a viewer that waits for an update.
func (c *client) waitsFor(u update) {
	for i := range c.asks {
		if c.asks[i].count > 0 && c.asks[i].update == u {
			c.asks[i].count++
			c.most = max(c.most, c.asks[i].count)
			return
		}
	}
	c.asks[c.next].update, c.asks[c.next].count = u, 1
	c.next = (c.next + 1) % recentAsks
	c.most = max(c.most, 1)
}

// sweep forgets who has not asked lately.
func (v *viewerCount) sweep(now time.Time) {
	if now.Sub(v.swept) < viewerExpiry/3 {
		return
	}
	v.swept = now
	for name, c := range v.clients {
		for port, at := range c.ports {
			if now.Sub(at) > viewerExpiry {
				delete(c.ports, port)
				v.held--
			}
		}
		if now.Sub(c.turn) > viewerExpiry/2 {
			c.most, c.last, c.turn = 0, c.most, now
		}
		if now.Sub(c.at) > viewerExpiry {
			delete(v.clients, name)
			v.held -= 1 + len(c.ports)
		}
	}
}

func (v *viewerCount) count(now time.Time) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.swept = time.Time{}
	v.sweep(now)
	for _, c := range v.clients {
		n += c.viewers()
	}
	return n
}

// tell notes that who asks, whom note has counted, reads that the stream has
// ended.
func (v *viewerCount) tell(r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if c := v.clients[clientName(host, r)]; c != nil {
		c.told++
	}
}

// untold is about how many viewers have not read yet that the stream has ended.
func (v *viewerCount) untold(now time.Time) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.clients {
		if now.Sub(c.at) <= viewerExpiry {
			n += max(0, c.viewers()-c.told)
		}
	}
	return n
}
