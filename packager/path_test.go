package packager

import (
	"errors"
	"strings"
	"testing"
)

func TestCleanStreamPath(t *testing.T) {
	tests := []struct {
		in, want string
		err      error
	}{
		{"live/cam", "live/cam", nil},
		{"/live//cam/", "live/cam", nil},
		{"cam", "live/cam", nil},
		{"a/b/c/d", "a/b/c/d", nil},
		{"live/été", "live/été", nil},
		{"", "", ErrEmptyPath},
		{"///", "", ErrEmptyPath},
		{"live/../etc", "", ErrBadPath},
		{"live/.", "", ErrBadPath},
		{"live/a\nb", "", ErrBadPath},
		{`live\cam`, "", ErrBadPath},
		{"live/a\xffb", "", ErrBadPath},
		{"live/a?key=1", "", ErrBadPath},
		{strings.Repeat("a", 300), "", ErrLongPath},
		{strings.Repeat("a", 255), "", ErrLongPath},
	}
	for _, tt := range tests {
		got, err := CleanStreamPath(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("CleanStreamPath(%.20q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}
