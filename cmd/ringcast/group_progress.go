package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ringcast/ringcast/multicast/files"
)

// transfer tells how far a file has got: by a bar on a terminal, by a line now
// and then elsewhere, and by JSON lines for scripts. It is safe for concurrent
// use.
type transfer struct {
	mu    sync.Mutex
	line  *statusLine
	json  io.Writer // nil without --json
	quiet bool
	name  string

	stage   files.Stage
	said    time.Time
	samples []sample
}

// sample is how much was there at a time.
type sample struct {
	at   time.Time
	done int64
}

const (
	// sampleEvery is the time between two samples, maxSamples over how many of
	// them a rate is taken.
	sampleEvery = 500 * time.Millisecond
	maxSamples  = 10
	// plainEvery is how often a line is printed that is not drawn over, jsonEvery
	// how often one for scripts.
	plainEvery = 5 * time.Second
	jsonEvery  = time.Second
)

func newTransfer(m *member, name string, quiet bool) *transfer {
	t := &transfer{line: newStatusLine(m.inv.stderr), name: printable(name), quiet: quiet, said: time.Now()}
	if m.loaded.JSON {
		t.json = m.inv.stdout
	}
	return t
}

// show takes news.
func (t *transfer) show(p files.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if p.Stage != t.stage {
		t.stage, t.samples = p.Stage, nil
	}
	rate := t.sample(now, p.Done)
	switch {
	case p.Stage == files.Looking:
	case t.json != nil:
		if now.Sub(t.said) >= jsonEvery {
			t.said = now
			_ = json.NewEncoder(t.json).Encode(transferJSON{Stage: stageName(p.Stage), Done: p.Done, Total: p.Total, Rate: int64(rate)})
		}
	case t.quiet:
	case t.line.isDue():
		t.line.draw(fmt.Sprintf("%s %s %s", t.name, bar(share(p)), figures(p, rate)))
	case !t.line.on && now.Sub(t.said) >= plainEvery:
		t.said = now
		fmt.Fprintf(t.line.w, "%s: %s %s\n", t.name, stageName(p.Stage), figures(p, rate))
	}
}

// transferJSON is a line for scripts; rates are in bytes a second.
type transferJSON struct {
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Rate  int64  `json:"bytesPerSecond"`
}

func stageName(s files.Stage) string {
	return [...]string{"looking", "checking", "fetching", "verifying"}[s]
}

// sample notes how much is there, and returns how many bytes came a second
// lately.
func (t *transfer) sample(now time.Time, done int64) float64 {
	if n := len(t.samples); n == 0 || now.Sub(t.samples[n-1].at) >= sampleEvery {
		t.samples = append(t.samples, sample{now, done})
		t.samples = t.samples[max(0, n+1-maxSamples):]
	}
	first := t.samples[0]
	elapsed := now.Sub(first.at).Seconds()
	if elapsed <= 0 {
		return 0
	}
	return float64(done-first.done) / elapsed
}

func figures(p files.Progress, rate float64) string {
	left := "…"
	if rate > 0 {
		left = time.Duration(float64(p.Total-p.Done)/rate*float64(time.Second)).Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("%5.1f %% of %s, %s/s, %s", 100*share(p), byteSize(p.Total), byteSize(int64(rate)), left)
}

func share(p files.Progress) float64 {
	if p.Total == 0 {
		return 1
	}
	return float64(p.Done) / float64(p.Total)
}

// restart forgets how fast it went, before something else is counted.
func (t *transfer) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.samples = nil
}

// clear takes the bar away.
func (t *transfer) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line.clear()
}

// byteSize writes a number of bytes for people.
func byteSize(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n), -1
	for ; value >= unit && prefix < 3; prefix++ {
		value /= unit
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGT"[prefix])
}
