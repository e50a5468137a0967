package rtmp

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reader(b []byte) *chunkReader { return newChunkReader(bufio.NewReader(bytes.NewReader(b))) }

// readAll returns the messages in b as text, and the error that ended it.
func readAll(b []byte) ([]string, error) {
	r := reader(b)
	var all []string
	for {
		m, err := r.read()
		if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%d:%d@%d/%d %x", m.chunks, m.kind, m.timestamp, m.stream, m.body))
	}
}

func TestChunkForms(t *testing.T) {
	tests := []struct{ name, hex, want string }{
		{"type 0", "06 000010 000002 08 01000000 aabb", "6:8@16/1 aabb"},
		{"type 1 adds its delta", "06 000010 000001 08 01000000 aa  46 000005 000001 09 bb", "6:8@16/1 aa, 6:9@21/1 bb"},
		{"type 2 keeps length and type", "06 000010 000001 08 01000000 aa  86 000007 bb", "6:8@16/1 aa, 6:8@23/1 bb"},
		{"type 3 repeats the delta", "06 000010 000001 08 01000000 aa  86 000007 bb c6 cc", "6:8@16/1 aa, 6:8@23/1 bb, 6:8@30/1 cc"},
		{"type 3 after type 0 repeats the time", "06 000010 000001 08 01000000 aa c6 bb", "6:8@16/1 aa, 6:8@32/1 bb"},
		{"negative delta", "06 000010 000001 08 01000000 aa  86 ffffff fffffffe bb", "6:8@16/1 aa, 6:8@14/1 bb"},
		{"two-byte identifier", "00 0a 000000 000001 08 00000000 aa", "74:8@0/0 aa"},
		{"three-byte identifier", "01 0a01 000000 000001 08 00000000 aa", "330:8@0/0 aa"},
		{"empty message", "06 000001 000000 08 01000000  46 000001 000001 08 aa", "6:8@1/1 , 6:8@2/1 aa"},
		{"chunk size 1", "02 000000 000004 01 00000000 00000001  06 000000 000003 08 00000000 aa c6 bb c6 cc", "6:8@0/0 aabbcc"},
		{"chunk size 16", "02 000000 000004 01 00000000 00000010  06 000000 000003 08 00000000 aabbcc", "6:8@0/0 aabbcc"},
		{
			"interleaved", "02 000000 000004 01 00000000 00000002  06 000000 000003 09 01000000 aabb  04 000001 000003 08 01000000 1122 c6 cc c4 33",
			"6:9@0/1 aabbcc, 4:8@1/1 112233",
		},
		{
			"abort", "02 000000 000004 01 00000000 00000002  06 000000 000003 09 01000000 aabb  02 000000 000004 02 00000000 0000 c2 0006  06 000002 000001 09 01000000 dd",
			"6:9@2/1 dd",
		},
		{
			"given up by a new header", "02 000000 000004 01 00000000 00000002  06 000000 000003 09 01000000 aabb  06 000002 000001 09 01000000 dd",
			"6:9@2/1 dd",
		},
	}
	for _, tt := range tests {
		got, err := readAll(unhex(t, tt.hex))
		if !errors.Is(err, io.EOF) || strings.Join(got, ", ") != tt.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tt.name, strings.Join(got, ", "), err, tt.want)
		}
	}
}

// A stream that is on for 4 h 39 min has extended timestamps; most senders
// repeat them on each chunk, some devices do not.
func TestExtendedTimestamps(t *testing.T) {
	for _, timestamp := range []uint32{0xFFFFFE, 0xFFFFFF, 0x1000000, 0x80000000, 0xFFFFFFFF} {
		body := bytes.Repeat([]byte{7}, 601)
		var repeated bytes.Buffer
		w := newChunkWriter(&repeated)
		if err := w.write(message{kind: typeAudio, timestamp: timestamp, stream: 1, chunks: 6, body: body}); err != nil {
			t.Fatal(err)
		}
		inputs := map[string][]byte{"repeated": repeated.Bytes()}
		if timestamp >= extended {
			var bare []byte
			bare = append(bare, repeated.Bytes()[:16+128]...)
			for rest := repeated.Bytes()[16+128:]; len(rest) > 0; {
				n := min(128, len(rest)-5)
				bare = append(append(bare, rest[0]), rest[5:5+n]...)
				rest = rest[5+n:]
			}
			inputs["not repeated"] = bare
		}
		for name, input := range inputs {
			m, err := reader(input).read()
			if err != nil || m.timestamp != timestamp || !bytes.Equal(m.body, body) {
				t.Errorf("%#x, %s: got %#x with %d bytes, %v", timestamp, name, m.timestamp, len(m.body), err)
			}
		}
	}
}

func TestChunkLimits(t *testing.T) {
	many := []byte{}
	for i := range maxChunkStreams + 1 {
		many = append(many, 0, byte(i), 0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0xaa)
	}
	tests := []struct {
		name  string
		input []byte
		want  error
	}{
		{"chunk size 0", unhex(t, "02 000000 000004 01 00000000 00000000"), errChunkSize},
		{"chunk size too large", unhex(t, "02 000000 000004 01 00000000 01000000"), errChunkSize},
		{"short control message", unhex(t, "02 000000 000003 01 00000000 000001"), errControl},
		{"type 3 without a header", unhex(t, "c6"), errNoHeader},
		{"type 1 without a header", unhex(t, "46 000000 000000 00"), errNoHeader},
		{"long video", unhex(t, "06 000000 ffffff 09 01000000"), io.EOF},
		{"long audio", unhex(t, "06 000000 200000 08 01000000"), errMessageLong},
		{"long command", unhex(t, "06 000000 050000 14 01000000"), errMessageLong},
		{"too many chunk streams", many, errChunkStreams},
		{"cut off", unhex(t, "06 000000 000005 08 01000000 aa"), io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		if _, err := readAll(tt.input); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// Unfinished messages on many chunk streams are bounded together.
	var b bytes.Buffer
	w := newChunkWriter(&b)
	if err := w.write(control(typeSetChunkSize, 1<<20)); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 1<<20)
	for i := range 60 {
		b.Write([]byte{byte(i + 3), 0, 0, 0, 0x20, 0, 0, typeVideo, 1, 0, 0, 0})
		b.Write(part)
	}
	if _, err := readAll(b.Bytes()); !errors.Is(err, errPartial) {
		t.Errorf("60 MiB of unfinished messages: %v, want %v", err, errPartial)
	}
}

// What the writer cuts, the reader joins.
func TestWriterAndReader(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 129, 65535, 65536, 65537, 200000} {
		var b bytes.Buffer
		w := newChunkWriter(&b)
		body := bytes.Repeat([]byte{1, 2, 3}, size/3+1)[:size]
		sent := message{kind: typeVideo, timestamp: 0x1234567, stream: 1, chunks: 6, body: body}
		if err := w.write(sent, control(typeSetChunkSize, sendChunkSize), sent); err != nil {
			t.Fatal(err)
		}
		r := reader(b.Bytes())
		for range 2 {
			m, err := r.read()
			if err != nil || !bytes.Equal(m.body, body) || m.timestamp != sent.timestamp || m.stream != 1 {
				t.Fatalf("%d bytes: got %d bytes at %d, %v", size, len(m.body), m.timestamp, err)
			}
		}
	}
}

func FuzzChunkReader(f *testing.F) {
	for _, s := range []string{
		"06 000010 000002 08 01000000 aabb", "46 000005 000001 09 bb", "02 000000 000004 01 00000000 00000001",
		"06 ffffff 000001 08 01000000 01000000 aa c6", "02 000000 000004 02 00000000 00000006", "00 0a", "01 0a01",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := reader(b)
		for {
			m, err := r.read()
			if err != nil {
				break
			}
			if len(m.body) > len(b) {
				t.Fatalf("a message of %d bytes out of %d", len(m.body), len(b))
			}
		}
		held := 0
		for _, s := range r.streams {
			held += len(s.body)
		}
		if held > r.partial || len(r.streams) > maxChunkStreams {
			t.Fatalf("%d bytes held, %d counted, %d chunk streams", held, r.partial, len(r.streams))
		}
	})
}
