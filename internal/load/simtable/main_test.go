package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table has a line for each target with the figures of all seeds, what is
// missed says why, and what people wrote stays.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for seed, got := range map[string]string{"1": `0.99995,"met":true`, "2": `0.99,"met":false`} {
		write("runs/steady-"+seed+"/result.json", `{"scenario":"steady","seed":`+seed+`,"nodes":100,"simulated_s":60,"trace_hash":"00ff",
"command":"ringcast sim steady --seed `+seed+`","metrics":{"events_per_s":1000},
"targets":[{"name":"G3 delay_p50_s","wanted":"≤ 0.4","got":0.3,"met":true},{"name":"G1 delivery","wanted":"≥ 0.9999","got":`+got+`}]}`)
	}
	write("runs/steady-1/delay.svg", "<svg/>")
	write("doc.md", "before\n"+beginMark+"old\n"+endMark+"after\n")
	if err := update(filepath.Join(dir, "runs"), filepath.Join(dir, "doc.md"), filepath.Join(dir, "images")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "doc.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for _, want := range []string{
		"before\n" + beginMark, endMark + "after\n", "| ≥ 0.9999 | 0.999950; 0.99 | **no** | " + limits["G1 delivery"],
		"| ≤ 0.4 | 0.3; 0.3 | yes |", "`ringcast sim steady --seed 2`", "images/sim-steady-delay.svg",
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("the document lacks %q:\n%s", want, doc)
		}
	}
	if strings.Contains(doc, "old") || strings.Index(doc, "G1 ") > strings.Index(doc, "G3 ") {
		t.Errorf("what was there before is left, or the order is wrong:\n%s", doc)
	}
}
