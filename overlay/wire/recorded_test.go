package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nonces are those of a session, as one end has them.
type nonces struct{ near, far []byte }

// recordedLines calls f for each line of the recorded exchanges.
func recordedLines(t *testing.T, f func(file string, number int, fields []string)) {
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
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<20)
		for n := 1; lines.Scan(); n++ {
			if fields := strings.Fields(lines.Text()); len(fields) == 4 && fields[0] != "#" {
				f(filepath.Base(name), n, fields)
			}
		}
	}
}

// reencode reads a message and writes it again.
func reencode(flow string, b []byte) ([]byte, error) {
	kind, _ := Kind(b)
	switch key := fmt.Sprintf("%s %02x", flow, kind); key {
	case "GC 01":
		m, err := ParseJoin(b)
		return AppendJoin(nil, m), err
	case "GC 0b":
		m, err := ParseMember(b)
		return AppendMember(nil, m), err
	case "GR1c 01":
		m, err := ParseConnect(b)
		return AppendConnect(nil, m), err
	case "GR1c 02":
		return AppendAccepted(nil), nil
	case "GR1c 0a":
		m, err := ParseReport(b)
		return AppendReport(nil, m), err
	case "GR1c 0e", "GR1c 0f":
		m, err := ParseReady(b)
		return AppendReady(nil, m), err
	default:
		return nil, fmt.Errorf("no codec for %s", key)
	}
}

// Every message that foreign peers were seen to send is read, and comes back
// byte for byte.
func TestRecordedMessages(t *testing.T) {
	count := map[string]int{}
	recordedLines(t, func(file string, n int, fields []string) {
		if fields[0] == "nonces" {
			return
		}
		b := unhex(t, fields[3])
		got, err := reencode(fields[2], b)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s:%d: %x comes back as %x, %v", file, n, b, got, err)
		}
		count[fmt.Sprintf("%s %02x", fields[2], b[0])]++
	})
	for _, key := range []string{"GC 01", "GC 0b", "GR1c 01", "GR1c 02", "GR1c 0a", "GR1c 0e"} {
		if count[key] < 4 {
			t.Errorf("only %d messages %s were replayed", count[key], key)
		}
	}
	t.Logf("replayed %v", count)
}

// The proofs that foreign peers gave each other are the ones that we would have
// given, in both directions and for both roles.
func TestRecordedProofs(t *testing.T) {
	sessions := map[string]nonces{}
	checked := 0
	recordedLines(t, func(file string, n int, fields []string) {
		if fields[0] == "nonces" {
			sessions[file+fields[1]] = nonces{unhex(t, fields[2]), unhex(t, fields[3])}
			return
		}
		s, known := sessions[file+fields[1]]
		if !known || fields[2] != "GR1c" || !strings.HasPrefix(fields[3], "01") {
			return
		}
		c, err := ParseConnect(unhex(t, fields[3]))
		if err != nil {
			t.Fatal(err)
		}
		right, wrong := s.near, s.far // of what is received
		if fields[0] == ">" {
			right, wrong = wrong, right
		}
		if !CheckProof(identityA, right, c.Proof) || CheckProof(identityA, wrong, c.Proof) || c.Group != id(t, groupA) {
			t.Errorf("%s:%d: the proof %x is not ours", file, n, c.Proof)
		}
		checked++
	})
	if checked != 4 {
		t.Errorf("%d proofs were checked, want 4", checked)
	}
}
