package vlu

import (
	"bytes"
	"math"
	"testing"
)

// TestChecklist goes through the points of the list in the comment of package
// rtmfp that are about integers and options.
func TestChecklist(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"01 variable-length integers", checkIntegers},
		{"02 options and markers", checkOptions},
	} {
		t.Run(point.name, point.test)
	}
}

func checkIntegers(t *testing.T) {
	TestVectors(t)
	for v := uint64(1); ; v = v*3 + 1 {
		for _, v := range []uint64{v, v - 1, math.MaxUint64 - v} {
			if got, n, err := Parse(Append(nil, v)); got != v || n != Len(v) || err != nil {
				t.Errorf("%d comes back as %d, %v", v, got, err)
			}
		}
		if v > math.MaxUint64/4 {
			break
		}
	}
	// Ten bytes of 64 bits hold; one bit more does not, and never wraps.
	for _, b := range []string{"82808080808080808000", "ffffffffffffffffff7f", "8180808080808080808000"} {
		if v, _, err := Parse(unhex(t, b)); err == nil {
			t.Errorf("%s is read as %d", b, v)
		}
	}
	if v, n, err := Parse(append(bytes.Repeat([]byte{0x80}, 50), 7)); v != 7 || n != 51 || err != nil {
		t.Errorf("fifty leading zero groups give %d, %d, %v", v, n, err)
	}
}

func checkOptions(t *testing.T) {
	TestOptions(t)
	// Whatever follows is not read: each cut of a list ends at its end.
	list := AppendMarker(AppendNumberOption(AppendOption(nil, 0, []byte("metadata")), 0x0a, 300))
	for cut := range list {
		at, bad := 0, false
		for at < cut && !bad {
			o, n, err := ParseOption(list[at:cut])
			bad = err != nil
			if !bad && (at+n > cut || o.Marker) {
				t.Errorf("cut to %d bytes: an option of %d bytes at %d, marker %v", cut, n, at, o.Marker)
			}
			at += n
		}
		if whole := cut == 0 || cut == 10 || cut == 14; bad == whole {
			t.Errorf("cut to %d bytes: an error %v", cut, bad)
		}
	}
	if o, n, err := ParseOption(unhex(t, "018005")); err == nil {
		t.Errorf("a type that goes on behind its option: %+v, %d", o, n)
	}
}
