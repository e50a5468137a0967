package main

import "strconv"

// countOf returns a number with what it counts: "1 neighbor", "2 neighbors".
// The noun's plural has an s.
func countOf(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
