package main

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast/files"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// Numbers that JSON has not come from others like all values: they must not
// spoil a page of posts.
func TestJSONOfAnyNumber(t *testing.T) {
	v := amf0.Object(
		amf0.Property{Name: "nan", Value: amf0.Number(math.NaN())}, amf0.Property{Name: "inf", Value: amf0.Number(math.Inf(-1))},
		amf0.Property{Name: "one", Value: amf0.Number(1)},
	)
	text, err := json.Marshal(jsonOf(v))
	if want := `{"inf":null,"nan":null,"one":1}`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}

// A chat keeps of names only what it shows, however long they are.
func TestNamesAreKeptShort(t *testing.T) {
	c := &chat{names: make(map[overlay.PeerID]string)}
	id := overlay.PeerID{1}
	c.learn(id, "  a\x1b[2J\n"+strings.Repeat("long ", 10_000))
	if name := c.names[id]; len([]rune(name)) != maxUser || strings.ContainsAny(name, "\x1b\n") || displayName(name) != name {
		t.Errorf("the name is kept as %q", name)
	}
}

// A line that is too long comes once, so that it can be refused, and those after
// it come as well.
func TestScreenReadsPastLongLines(t *testing.T) {
	s := &chatScreen{lines: make(chan string)}
	most := strings.Repeat("m", maxMessage)
	go s.scan(strings.NewReader("one\r\n" + most + "\n" + strings.Repeat("x", 5*maxMessage) + "\ntwo"))
	var lines []string
	for line := range s.lines {
		lines = append(lines, line)
	}
	if len(lines) != 4 || lines[0] != "one" || lines[1] != most || len(lines[2]) <= maxMessage || lines[3] != "two" {
		t.Errorf("%d lines came", len(lines))
	}
}

// What was read from the disk is no part of the rate at which it is given.
func TestTransferRestarts(t *testing.T) {
	tr := &transfer{line: &statusLine{w: io.Discard}, quiet: true}
	now := time.Now()
	for i := range int64(3) {
		tr.sample(now.Add(time.Duration(i)*time.Second), (i+1)*1e9)
	}
	tr.show(files.Progress{Stage: files.Checking, Done: 4e9, Total: 4e9})
	tr.restart()
	tr.sample(now.Add(4*time.Second), 0)
	if rate := tr.sample(now.Add(5*time.Second), 1000); rate != 1000 {
		t.Errorf("%v bytes a second, want 1000", rate)
	}
}
