package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// chatScreen is where a chat is shown and typed. On a terminal the line that is
// being typed stays below what others say.
type chatScreen struct {
	// lines are those that are typed; it is closed at their end.
	lines       chan string
	interactive bool

	mu    sync.Mutex
	out   io.Writer
	state *term.State
	in    *os.File
}

// terminal is a terminal of which both directions are the user's.
type terminal struct {
	io.Reader
	io.Writer
}

// openScreen begins to read lines. With plain set, or unless both are a
// terminal, they are read and written as they are.
func openScreen(in *os.File, out io.Writer, plain bool) (*chatScreen, error) {
	s := &chatScreen{lines: make(chan string), out: out, in: in}
	f, isFile := out.(*os.File)
	if plain || !isFile || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(in.Fd())) {
		go s.scan(in)
		return s, nil
	}
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	s.state, s.interactive = state, true
	t := term.NewTerminal(terminal{in, f}, "> ")
	if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		_ = t.SetSize(width, height)
	}
	s.out = t
	go func() {
		defer close(s.lines)
		for {
			line, err := t.ReadLine() // ends at Ctrl-C and Ctrl-D
			if err != nil {
				return
			}
			s.lines <- line
		}
	}()
	return s, nil
}

// scan reads lines from a pipe or a file.
func (s *chatScreen) scan(in io.Reader) {
	defer close(s.lines)
	lines := bufio.NewReaderSize(in, maxMessage+2)
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for more && err == nil {
			_, more, err = lines.ReadLine() // it is too long anyway, and refused
		}
		s.lines <- text
	}
}

func (s *chatScreen) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.out, text) // who has gone reads nothing
}

// close gives the terminal back.
func (s *chatScreen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != nil {
		_ = term.Restore(int(s.in.Fd()), s.state)
		s.state = nil
		fmt.Fprint(os.Stdout, "\r\n")
	}
}
