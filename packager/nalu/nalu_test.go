package nalu

import (
	"bytes"
	"errors"
	"testing"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		size int
		want [][]byte
		err  error
	}{
		{"four bytes", []byte{0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 3}, 4, [][]byte{{1, 2}, {3}}, nil},
		{"two bytes", []byte{0, 2, 1, 2}, 2, [][]byte{{1, 2}}, nil},
		{"one byte", []byte{1, 9}, 1, [][]byte{{9}}, nil},
		{"an empty unit", []byte{0, 0, 0, 0, 0, 0, 0, 1, 3}, 4, [][]byte{{3}}, nil},
		{"too long", []byte{0, 0, 0, 9, 1}, 4, nil, ErrTruncated},
		{"length cut off", []byte{0, 0, 1}, 4, nil, ErrTruncated},
		{"huge", []byte{255, 255, 255, 255, 1}, 4, nil, ErrTruncated},
		{"no such length", []byte{1}, 5, nil, ErrLength},
		{"nothing", nil, 4, nil, nil},
	}
	for _, tt := range tests {
		got, err := Split(nil, tt.b, tt.size)
		if !errors.Is(err, tt.err) || err == nil && !equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	if _, err := Split(nil, bytes.Repeat([]byte{1, 9}, 2000), 1); !errors.Is(err, ErrTooMany) {
		t.Errorf("2000 units: %v", err)
	}
}

func TestAnnexB(t *testing.T) {
	b := []byte{0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 2, 0, 0, 0, 1, 0x41, 0, 0}
	want := [][]byte{{9, 0xf0}, {0x65, 1, 2}, {0x41}}
	got, err := SplitAnnexB(nil, b)
	if err != nil || !equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if again, _ := SplitAnnexB(nil, AppendAnnexB(nil, want...)); !equal(again, want) {
		t.Errorf("round trip: %v", again)
	}
	if again, _ := Split(nil, AppendLengthPrefixed(nil, want...), 4); !equal(again, want) {
		t.Errorf("with lengths: %v", again)
	}
	if !LooksLikeAnnexB(b) || LooksLikeAnnexB(AppendLengthPrefixed(nil, want...)) {
		t.Error("the two forms are not told apart")
	}
	// A unit of one byte begins like a start code.
	if LooksLikeAnnexB(AppendLengthPrefixed(nil, []byte{9}, []byte{0x65, 1})) {
		t.Error("a length of one is taken for a start code")
	}
}

func equal(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 1, 2}, 4)
	f.Add([]byte{0, 0, 1, 9}, 3)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if units, err := Split(nil, b, size); err == nil {
			again, err := Split(nil, AppendLengthPrefixed(nil, units...), 4)
			if err != nil || !equal(again, units) {
				t.Fatalf("%v becomes %v, %v", units, again, err)
			}
		}
		units, _ := SplitAnnexB(nil, b)
		for _, u := range units {
			if len(u) == 0 {
				t.Fatal("an empty unit")
			}
		}
		LooksLikeAnnexB(b)
	})
}
