package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/fragmenter"
)

// recorded is a message as a foreign peer sent it.
type recorded struct {
	file      string
	line      int
	from, to  string
	flow      string
	bytes     []byte
	announced bool // the stream is announced on this flow already
}

// recordedMessages reads the recorded exchanges.
func recordedMessages(t *testing.T) (all []recorded) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded exchanges: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		announced := map[string]bool{}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<20)
		for n := 1; lines.Scan(); n++ {
			fields := strings.Fields(lines.Text())
			if len(fields) != 4 || fields[0] == "#" {
				continue
			}
			flow := strings.Join(fields[:3], " ")
			all = append(all, recorded{filepath.Base(name), n, fields[0], fields[1], fields[2], unhex(t, fields[3]), announced[flow]})
			announced[flow] = true
		}
	}
	return all
}

// reencode reads a message and writes it again.
func reencode(m recorded) ([]byte, error) {
	if m.flow == "GR12" {
		f, err := fragmenter.ParseFragment(m.bytes)
		if err != nil {
			return nil, err
		}
		return fragmenter.AppendFragment(nil, &f), nil
	}
	switch kind := m.bytes[0]; {
	case kind == TypeAnnouncement && !m.announced:
		a, err := ParseAnnouncement(m.bytes)
		return AppendAnnouncement(nil, a), err
	case kind == TypeEnd:
		end, err := ParseEnd(m.bytes)
		return AppendEnd(nil, end), err
	case kind == TypeMap:
		return reencodeMap(m.bytes)
	case kind == TypeMask:
		mask, err := ParseMask(m.bytes)
		return AppendMask(nil, mask), err
	case kind == TypePull:
		id, err := ParsePull(m.bytes)
		return AppendPull(nil, id), err
	default:
		return nil, fmt.Errorf("no codec for %02x", kind)
	}
}

func reencodeMap(b []byte) ([]byte, error) {
	m, err := ParseMap(b)
	if err != nil {
		return nil, err
	}
	h := hold(m.Oldest())
	h.newest = m.Last
	held := 0
	for id := m.Oldest(); id <= m.Last; id++ {
		if m.Has(id) {
			h.held[id] = true
			held++
		}
	}
	if held == 0 {
		return nil, errors.New("a map of nothing")
	}
	return AppendMap(nil, h), nil
}

// Every message that foreign peers were seen to send is read, and comes back
// byte for byte, but for zero bytes at the end of a map, which some have and
// which say nothing.
func TestRecordedMessages(t *testing.T) {
	count := map[string]int{}
	for _, m := range recordedMessages(t) {
		got, err := reencode(m)
		want := m.bytes
		if m.bytes[0] == TypeMap && m.flow == "GR11" {
			want = bytes.TrimRight(want, "\x00")
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s:%d: %x comes back as %x, %v", m.file, m.line, m.bytes, got, err)
		}
		count[fmt.Sprintf("%s %02x", m.flow, m.bytes[0])]++
	}
	for _, key := range []string{"GR11 21", "GR11 22", "GR11 23", "GR11 2b", "GR12 00", "GR12 20"} {
		if count[key] < 4 {
			t.Errorf("only %d messages %s were replayed", count[key], key)
		}
	}
	t.Logf("replayed %v", count)
}

// What one viewer's masks ask for is what is pushed to it: each fragment that
// came before any pull has a number that a mask asks for.
func TestRecordedPushesFollowMasks(t *testing.T) {
	masks := map[string]Mask{}
	pulled := map[string]bool{}
	pushed := 0
	for _, m := range recordedMessages(t) {
		switch {
		case m.from == ">" && m.flow == "GR11" && m.bytes[0] == TypeMask:
			mask, err := ParseMask(m.bytes)
			if err != nil {
				t.Fatal(err)
			}
			masks[m.file+m.to] = mask
		case m.from == ">" && m.flow == "GR11" && m.bytes[0] == TypePull:
			pulled[m.file] = true
		case m.from == "<" && m.flow == "GR12" && !pulled[m.file]:
			id, ok := fragmenter.PeekID(m.bytes)
			if !ok || !masks[m.file+m.to].Wants(id) {
				t.Errorf("%s:%d: fragment %d came unasked", m.file, m.line, id)
			}
			pushed++
		}
	}
	if pushed == 0 {
		t.Error("no fragment was pushed")
	}
}

// Announcements that foreign peers send have the parameters that they are
// known to have.
func TestRecordedAnnouncements(t *testing.T) {
	params := map[string]StreamParams{}
	for _, m := range recordedMessages(t) {
		if m.flow == "GR11" && m.bytes[0] == TypeAnnouncement && !m.announced {
			a, err := ParseAnnouncement(m.bytes)
			if err != nil || a.Name != "cam" {
				t.Fatalf("%s:%d: %+v, %v", m.file, m.line, a, err)
			}
			params[m.file] = a.StreamParams
		}
	}
	own := DefaultStreamParams()
	own.WindowDuration /= 2
	own.FetchPeriod = 1000e6
	for file, want := range map[string]StreamParams{"viewer.txt": DefaultStreamParams(), "end.txt": own} {
		if params[file] != want {
			t.Errorf("%s: %+v, want %+v", file, params[file], want)
		}
	}
}
