// Package flv serves streams as HTTP-FLV: one long answer for each viewer, that
// begins with the configurations and the last group of pictures and goes on
// for as long as the stream does. A viewer who is too slow loses groups of
// pictures of its own; nobody waits for it.
package flv
