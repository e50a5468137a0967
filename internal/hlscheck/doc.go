// Package hlscheck watches a live HLS stream like a very strict player: it
// reloads the playlist again and again, fetches what it lists, and holds it
// against RFC 8216, its second edition (low-latency HLS), and what players are
// known to insist on. No tool for that is to be had outside Apple's platforms.
package hlscheck
