package config

import (
	"fmt"
	"strings"
)

// suggest returns a hint at the known name that is nearest to a wrong one, or
// nothing if none is near.
func suggest(wrong string, known []string) string {
	best, bestDistance := "", min(4, len(wrong)/2+1)
	for _, name := range known {
		d := distance(strings.ToLower(wrong), strings.ToLower(name))
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance is the Levenshtein distance of the bytes, cut off for long names.
func distance(a, b string) int {
	const maxLen = 64
	if len(a) > maxLen || len(b) > maxLen {
		return maxLen
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
