package main

import (
	"net/netip"
	"strings"
	"testing"
)

func TestJudgeNAT(t *testing.T) {
	outside := netip.MustParseAddrPort("192.0.2.1:4000")
	other := netip.MustParseAddrPort("192.0.2.1:4001")
	for _, tt := range []struct {
		name   string
		seen   []netip.AddrPort
		status string
		want   string
	}{
		{"nobody answered", nil, "note", "no introducer"},
		{"none", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1935")}, "ok", "none"},
		{"one view", []netip.AddrPort{outside}, "note", "seen as"},
		{"cone", []netip.AddrPort{outside, outside}, "ok", "one mapping"},
		{"symmetric", []netip.AddrPort{outside, other}, "note", "another mapping"},
	} {
		var d doctor
		d.judgeNAT(tt.seen, 1935)
		if len(d.findings) != 1 || d.findings[0].Status != tt.status || !strings.Contains(d.findings[0].Text, tt.want) {
			t.Errorf("%s: %+v, want %s with %q", tt.name, d.findings, tt.status, tt.want)
		}
	}
}
