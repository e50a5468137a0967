package swarm

import (
	"bufio"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
)

var (
	soakSeeds = flag.Uint64("soak", 2, "how many random scenarios to run")
	soakFrom  = flag.Uint64("soakfrom", 1, "the first seed of random scenarios")
)

// Random small groups in a bad world: nothing that must hold is broken. More
// seeds are run by `make soak`.
func TestSoak(t *testing.T) {
	for seed := *soakFrom; seed < *soakFrom+*soakSeeds; seed++ {
		soak(t, seed)
	}
}

func soak(t *testing.T, seed uint64) {
	t.Helper()
	sc := Soak(seed)
	broken, _, err := RunSoak(sc)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for _, b := range broken {
		t.Errorf("seed %d: %s", seed, b)
	}
	if len(broken) > 0 {
		t.Logf("again: go test ./multicast/swarm -run TestSoak -soak 1 -soakfrom %d", seed)
	}
	if *soakSeeds > 10 && seed%10 == 0 {
		t.Logf("seed %d done", seed)
	}
}

// Seeds that have broken something once are run for ever.
func TestSeeds(t *testing.T) {
	f, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		word, _, _ := strings.Cut(lines.Text(), " ")
		if word == "" || word[0] == '#' {
			continue
		}
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatalf("testdata/seeds.txt: %v", err)
		}
		soak(t, seed)
	}
}
