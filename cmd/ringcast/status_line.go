package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// statusLine is a line on a terminal that is drawn over again and again.
type statusLine struct {
	w       io.Writer
	on      bool // w is a terminal
	drawn   time.Time
	written int // characters
}

func newStatusLine(w io.Writer) *statusLine {
	f, isFile := w.(*os.File)
	return &statusLine{w: w, on: isFile && term.IsTerminal(int(f.Fd()))}
}

// isDue reports whether it is time to draw again.
func (l *statusLine) isDue() bool { return l.on && time.Since(l.drawn) >= 100*time.Millisecond }

func (l *statusLine) draw(text string) {
	l.drawn = time.Now()
	pad := max(0, l.written-len([]rune(text)))
	l.written = len([]rune(text))
	fmt.Fprint(l.w, "\r", text, strings.Repeat(" ", pad))
}

// clear takes the line away.
func (l *statusLine) clear() {
	if l.written > 0 {
		fmt.Fprint(l.w, "\r", strings.Repeat(" ", l.written), "\r")
		l.written = 0
	}
}

// barWidth is how many characters a bar has.
const barWidth = 30

// bar draws a share, 0 to 1.
func bar(done float64) string {
	full := int(math.Round(max(0, min(done, 1)) * barWidth))
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
