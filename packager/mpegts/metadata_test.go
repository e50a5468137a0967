package mpegts

import (
	"bytes"
	"testing"
)

// tables are the program association and program map tables of one program
// with H.264 on packet identifier 256 and AAC on 257.
func tables() (pat, pmt []byte) {
	fill := func(pid int, section []byte) []byte {
		sum := checksum(section)
		p := append([]byte{0x47, 0x40 | byte(pid>>8), byte(pid), 0x10, 0}, section...)
		p = append(p, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		return append(p, bytes.Repeat([]byte{0xff}, PacketLen-len(p))...)
	}
	pat = fill(0, []byte{0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0x00})
	pmt = fill(0x1000, []byte{2, 0xb0, 0x17, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0})
	return pat, pmt
}

func TestDeclareMetadata(t *testing.T) {
	pat, pmt := tables()
	if pid, err := ProgramMap(pat); pid != 0x1000 || err != nil {
		t.Errorf("the map is on %#x, %v", pid, err)
	}
	if err := DeclareMetadata(pmt); err != nil {
		t.Fatal(err)
	}
	if len(pmt) != PacketLen {
		t.Fatalf("the packet has %d bytes", len(pmt))
	}
	body, at, err := section(pmt, tablePMT)
	if err != nil {
		t.Fatal(err)
	}
	want := "\x02\xb0\x3c\x00\x01\xc3\x00\x00\xe1\x00\xf0\x11" +
		"\x25\x0f\xff\xffID3 \xffID3 \x00\x1f\x00\x01" + "\x1b\xe1\x00\xf0\x00\x0f\xe1\x01\xf0\x00" +
		"\x15\xe1\xf0\xf0\x0f\x26\x0d\xff\xffID3 \xffID3 \x00\x0f"
	if string(body) != want {
		t.Errorf("the table is\n% x, want\n% x", body, want)
	}
	if sum := checksum(pmt[at : at+len(body)+4]); sum != 0 {
		t.Errorf("the checksum leaves %#x", sum)
	}
	if err := DeclareMetadata(pat); err == nil {
		t.Error("a table of another kind is taken")
	}
}

func TestAppendMetadata(t *testing.T) {
	counter := byte(15)
	tag := bytes.Repeat([]byte("ID3."), 60)
	b := AppendMetadata(nil, &counter, 1<<33+900_000, tag)
	if len(b) != 2*PacketLen || counter != 1 {
		t.Fatalf("%d bytes, counter %d", len(b), counter)
	}
	first, second := b[:PacketLen], b[PacketLen:]
	if first[3] != 0x1f || second[3] != 0x30 || first[1] != 0x41 || second[1] != 0x01 {
		t.Errorf("headers % x and % x", first[:4], second[:4])
	}
	payload := append(append([]byte(nil), first[4:]...), second[5+int(second[4]):]...)
	if want := append([]byte("\x00\x00\x01\xbd\x00\xf8\x84\x80\x05\x21\x00\x37\x77\x41"), tag...); !bytes.Equal(payload, want) {
		t.Errorf("the payload is\n% x, want\n% x", payload, want)
	}
	for n := range 400 { // every length of stuffing
		if b := AppendMetadata(nil, &counter, 0, make([]byte, n)); len(b)%PacketLen != 0 {
			t.Fatalf("a tag of %d bytes takes %d", n, len(b))
		}
	}
	if b := AppendMetadata(nil, &counter, 0, make([]byte, maxTag+1)); len(b) != 0 {
		t.Error("a tag that is too long is sent")
	}
}

func FuzzDeclareMetadata(f *testing.F) {
	pat, pmt := tables()
	f.Add(pat)
	f.Add(pmt)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ProgramMap(b)
		before := len(b)
		packet := bytes.Clone(b)
		if DeclareMetadata(packet) == nil && (len(packet) != before || !bytes.Equal(packet[:4], b[:4])) {
			t.Error("the packet's header changed")
		}
	})
}
