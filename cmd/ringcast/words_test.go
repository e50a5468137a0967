package main

import "testing"

func TestCountOf(t *testing.T) {
	for n, want := range []string{"0 neighbors", "1 neighbor", "2 neighbors"} {
		if got := countOf(n, "neighbor"); got != want {
			t.Errorf("countOf(%d) = %q, want %q", n, got, want)
		}
	}
}
