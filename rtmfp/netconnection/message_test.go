package netconnection

import (
	"encoding/hex"
	"testing"
)

// Names come in AMF0 or, from some clients, in AMF3 behind the switch.
func TestNamesOfStreams(t *testing.T) {
	for in, want := range map[string]string{
		"0200077075626c6973680000000000000000000511060963616d33": "cam3",
		"020004706c61790000000000000000000502000463616d33":       "cam3",
		"0200077075626c6973680000000000000000000511067f63616d33": "",
		"0200077075626c69736800000000000000000005110608":         "",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseCommand(Message{Type: TypeCommand, Payload: b})
		if err != nil || c.text(1) != want {
			t.Errorf("%s names %q, %v; want %q", in, c.text(1), err, want)
		}
	}
}
