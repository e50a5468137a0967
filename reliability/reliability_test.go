package reliability

import (
	"math"
	"testing"
	"time"
)

func TestTimeAddSaturates(t *testing.T) {
	tests := []struct {
		name string
		t    Time
		d    time.Duration
		want Time
	}{
		{"plain", 5, 7, 12},
		{"backwards", 5, -7, -2},
		{"never stays", Never, -time.Hour, Never},
		{"overflow", Never - 1, time.Second, Never},
		{"largest step", 2, math.MaxInt64, Never},
	}
	for _, tt := range tests {
		if got := tt.t.Add(tt.d); got != tt.want {
			t.Errorf("%s: Add(%d, %v) = %d, want %d", tt.name, tt.t, tt.d, got, tt.want)
		}
	}
	if got := Earliest(3, Never); got != 3 {
		t.Errorf("Earliest(3, Never) = %d", got)
	}
	if !Time(1).Before(2) || Time(2).Before(2) {
		t.Error("Before is not strict order")
	}
	if got := Time(1500).Sub(500); got != 1000 {
		t.Errorf("Sub = %d, want 1000 ns", got)
	}
}

// Every class has a name of its own: metrics use them as label values.
func TestClassNamesAreDistinct(t *testing.T) {
	seen := map[string]Class{}
	for c := range Class(ClassCount) {
		name := c.String()
		if other, dup := seen[name]; dup || name == "unknown" {
			t.Errorf("class %d is named %q like class %d", c, name, other)
		}
		seen[name] = c
	}
	if got := Class(200).String(); got != "unknown" {
		t.Errorf("Class(200) = %q", got)
	}
}
