package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// run is what simtable needs of a result.json, and the directory it was in.
type run struct {
	dir       string
	Scenario  string             `json:"scenario"`
	Seed      uint64             `json:"seed"`
	Nodes     int                `json:"nodes"`
	Simulated float64            `json:"simulated_s"`
	Wall      float64            `json:"wall_s"`
	Hash      string             `json:"trace_hash"`
	Command   string             `json:"command"`
	Metrics   map[string]float64 `json:"metrics"`
	Targets   []target           `json:"targets"`
	Broken    []string           `json:"broken_invariants"`
	Notes     []string           `json:"notes"`
}

type target struct {
	Name   string  `json:"name"`
	Wanted string  `json:"wanted"`
	Got    float64 `json:"got"`
	Met    bool    `json:"met"`
}

// goal is the number behind the G of a target's name.
func (t *target) goal() int {
	word, _, _ := strings.Cut(strings.TrimPrefix(t.Name, "G"), " ")
	n, _ := strconv.Atoi(word)
	return n
}

func main() {
	results := flag.String("results", ".cache/results", "directory with a directory for each run")
	doc := flag.String("doc", "docs/results.md", "the document")
	images := flag.String("images", "docs/images", "directory for the plots")
	flag.Parse()
	if err := update(*results, *doc, *images); err != nil {
		fmt.Fprintln(os.Stderr, "simtable:", err)
		os.Exit(1)
	}
}

func update(results, doc, images string) error {
	runs, err := readRuns(results)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	plots, err := copyPlots(runs, images)
	if err != nil {
		return err
	}
	text, err = between(text, appendTables(nil, runs, plots))
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	return os.WriteFile(doc, text, 0o644)
}

// readRuns reads all results, in the order of the scenarios' goals.
func readRuns(dir string) ([]*run, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "result.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no result in %s", dir)
	}
	var runs []*run
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		r := &run{dir: filepath.Dir(name)}
		if err := json.Unmarshal(text, r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// The marks between which the document is written.
const (
	beginMark = "<!-- simulations: written by make results -->\n"
	endMark   = "<!-- end of simulations -->\n"
)

// between replaces what stands between the marks.
func between(text, content []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(text, []byte(beginMark))
	_, tail, ok2 := bytes.Cut(rest, []byte(endMark))
	if !ok || !ok2 {
		return nil, errors.New("the marks of the simulations are missing")
	}
	return slices.Concat(head, []byte(beginMark), content, []byte(endMark), tail), nil
}

// row is a line of the table: one target in one scenario, of all seeds.
type row struct {
	target
	goal  int
	runs  []*run
	got   []string
	allOK bool
}

// rows brings the targets of all runs together.
func rows(runs []*run) []*row {
	var list []*row
	for _, r := range runs {
		for _, t := range r.Targets {
			i := slices.IndexFunc(list, func(o *row) bool {
				return o.Name == t.Name && o.runs[0].Scenario == r.Scenario && o.runs[0].Nodes == r.Nodes && o.runs[0].Simulated == r.Simulated
			})
			if i < 0 {
				i = len(list)
				list = append(list, &row{target: t, goal: t.goal(), allOK: true})
			}
			o := list[i]
			if o.Wanted != t.Wanted && len(o.runs) > 0 {
				o.Wanted += "; " + t.Wanted // it follows from another figure of the run
			}
			o.runs, o.got = append(o.runs, r), append(o.got, figure(t.Got))
			o.allOK = o.allOK && t.Met
		}
	}
	slices.SortStableFunc(list, func(a, b *row) int { return a.goal - b.goal })
	return list
}

// figure writes a figure with as many digits as it is good for.
func figure(v float64) string {
	switch {
	case v == -1:
		return "never"
	case v > 0.99 && v < 1:
		return strconv.FormatFloat(v, 'f', 6, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func appendTables(b []byte, runs []*run, plots []plotFile) []byte {
	b = append(b, "\n| target | where | wanted | measured | met | what limits it |\n|---|---|---|---|---|---|\n"...)
	for _, o := range rows(runs) {
		met, why := "yes", ""
		if !o.allOK {
			met, why = "**no**", limits[o.Name]
		}
		b = fmt.Appendf(b, "| %s | %s, N = %d | %s | %s | %s | %s |\n", strings.ReplaceAll(o.Name, "_", " "), o.runs[0].Scenario, o.runs[0].Nodes, o.Wanted, strings.Join(o.got, "; "), met, why)
	}
	b = append(b, "\nSeveral figures in a row are those of several seeds. The runs, each with the command that repeats it:\n\n| command | simulated (s) | real time (s) | events/s | bytes a node | trace |\n|---|---|---|---|---|---|\n"...)
	for _, r := range runs {
		b = fmt.Appendf(b, "| `%s` | %.4g | %.4g | %.3g | %s | `%s` |\n", r.Command, r.Simulated, r.Wall, r.Metrics["events_per_s"], orNone(r.Metrics["bytes_per_node"]), r.Hash)
	}
	for _, r := range runs {
		for _, broken := range r.Broken {
			b = fmt.Appendf(b, "\nBroken in %s, seed %d: %s\n", r.Scenario, r.Seed, broken)
		}
	}
	b = append(b, '\n')
	for _, p := range plots {
		b = fmt.Appendf(b, "![%s](images/%s)\n", p.title, p.name)
	}
	return append(b, '\n')
}

func orNone(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
