package multicast

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultParamsAreValid(t *testing.T) {
	if err := DefaultParams().Validate(); err != nil {
		t.Fatal(err)
	}
}

// A setting out of range is refused by name.
func TestParamsOutOfRange(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Params)
	}{
		{"WindowDuration", func(p *Params) { p.WindowDuration = 400 * time.Millisecond }},
		{"WindowDuration", func(p *Params) { p.WindowDuration = time.Hour }},
		{"RelayMarginDuration", func(p *Params) { p.RelayMarginDuration = -1 }},
		{"RelayMarginDuration", func(p *Params) { p.RelayMarginDuration = p.WindowDuration + 1 }},
		{"FetchPeriod", func(p *Params) { p.FetchPeriod = p.WindowDuration + 1 }},
		{"AvailabilityUpdatePeriod", func(p *Params) { p.AvailabilityUpdatePeriod = 0 }},
		{"PushNeighborLimit", func(p *Params) { p.PushNeighborLimit = -1 }},
		{"FragmentSize", func(p *Params) { p.FragmentSize = 100 }},
		{"UploadLimit", func(p *Params) { p.UploadLimit = -2 }},
	}
	for _, tt := range tests {
		p := DefaultParams()
		tt.change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s out of range: error %v does not name it", tt.name, err)
		}
	}
}
