package sharelink

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/overlay/groupspec"
)

const (
	spec        = "G:027f0201010103010c050e74657374011b00"
	fingerprint = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
)

func counting() (id [32]byte) {
	for i := range id {
		id[i] = byte(i)
	}
	return id
}

func TestLinks(t *testing.T) {
	s, err := groupspec.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string // as written
		also string // means the same
		want Link
	}{
		{
			"rtmfp://192.0.2.1:1935/live/cam?fp=" + fingerprint + "#" + spec, "  RTMFP://192.0.2.1/live/cam?x=1&fp=" + fingerprint + "#" + spec + "\n",
			Link{[]string{"192.0.2.1:1935"}, counting(), true, "cam", s},
		},
		{
			"rtmfp://a.example:1935,[2001:db8::1]:1936,c.example:80/live/my%20cam/1#" + spec,
			"rtmfp://a.example,[2001:db8::1]:1936,c.example:80/live/my%20cam%2f1#G%3A" + strings.TrimPrefix(spec, "G:"),
			Link{[]string{"a.example:1935", "[2001:db8::1]:1936", "c.example:80"}, [32]byte{}, false, "my cam/1", s},
		},
		{"rtmfp:///live/cam#" + spec, "rtmfp:/live/cam#" + spec, Link{nil, [32]byte{}, false, "cam", s}},
		{"rtmfp://[::1]:1935/live/%E6%98%9F#" + spec, "rtmfp://[::1]/live/星?#" + spec, Link{[]string{"[::1]:1935"}, [32]byte{}, false, "星", s}},
	} {
		if got := c.want.String(); got != c.text {
			t.Errorf("written as %s, want %s", got, c.text)
		}
		if err := c.want.Validate(); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		for _, text := range []string{c.text, c.also} {
			if got, err := Parse(text); err != nil || !reflect.DeepEqual(*got, c.want) {
				t.Errorf("%s is read as %+v, %v", text, got, err)
			}
		}
	}
}

// A link is for viewers: it has no passwords, but one that has them is read.
func TestNoPasswords(t *testing.T) {
	s := groupspec.Settings{Name: "test", Multicast: true}
	s.SetPublishPassword("secret", "")
	with, err := groupspec.New(s)
	if err != nil {
		t.Fatal(err)
	}
	link := Link{Stream: "cam", Spec: with}
	if got := link.String(); got != "rtmfp:///live/cam#"+with.WithoutAuthorizations() {
		t.Errorf("the link is %s", got)
	}
	got, err := Parse("rtmfp:///live/cam#" + with.String())
	if err != nil || got.Spec.String() != with.String() {
		t.Errorf("read as %+v, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "does not begin with rtmfp://"},
		{"http://a/live/cam#" + spec, "does not begin with rtmfp://"},
		{"rtmfp://a:1935/live/cam", "groupspec after # is missing"},
		{"rtmfp://a:1935/live/cam#", "groupspec after # is missing"},
		{"rtmfp://a:1935/live/cam#X:00", `does not begin with "G:"`},
		{"rtmfp://a:1935/live/cam#" + spec[:20], "cut off"},
		{"rtmfp://a:1935#" + spec, "no stream after the host"},
		{"rtmfp://a:1935/#" + spec, "no stream"},
		{"rtmfp://a:1935/live/#" + spec, "no stream"},
		{"rtmfp://a:1935/other/cam#" + spec, "no stream"},
		{"rtmfp://a:1935/live/%zz#" + spec, "name of the stream"},
		{"rtmfp://a:0/live/cam#" + spec, `introducer "a:0": port "0" is not 1 to 65535`},
		{"rtmfp://a:65536/live/cam#" + spec, "not 1 to 65535"},
		{"rtmfp://a:/live/cam#" + spec, "not 1 to 65535"},
		{"rtmfp://,/live/cam#" + spec, "no valid host"},
		{"rtmfp://user@a:1/live/cam#" + spec, "no valid host"},
		{"rtmfp://2001:db8::1/live/cam#" + spec, "must be in brackets"},
		{"rtmfp://[2001:db8::1/live/cam#" + spec, "the form is [IPv6]:PORT"},
		{"rtmfp://[2001:db8::1]1935/live/cam#" + spec, "the form is [IPv6]:PORT"},
		{"rtmfp://[192.0.2.1]:1935/live/cam#" + spec, "not an IPv6 address"},
		{"rtmfp://" + strings.Repeat("a,", MaxIntroducers) + "a/live/cam#" + spec, "more than 16 introducers"},
		{"rtmfp://a/live/cam?fp=12#" + spec, "fp=12: a fingerprint has 64"},
		{"rtmfp://a/live/cam?fp=%zz#" + spec, "after ?"},
		{"rtmfp:///live/cam?fp=" + fingerprint + "#" + spec, "no introducer"},
		{"rtmfp:///live/" + strings.Repeat("a", MaxLen), "at most"},
	} {
		l, err := Parse(c.text)
		if !errors.Is(err, ErrLink) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%.80q gives %+v, %v, want %q", c.text, l, err, c.want)
		}
	}
	if err := (&Link{Stream: "cam"}).Validate(); err == nil {
		t.Error("a link without a groupspec is valid")
	}
	s, err := groupspec.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Link{Spec: s, Introducers: []string{"a:b"}, Stream: "cam"}).Validate(); err == nil {
		t.Error("a link with a wrong port is valid")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rtmfp://a.example:1935,[2001:db8::1]:1936,c.example:80/live/my%20cam/1?fp=" + fingerprint + "#" + spec)
	f.Add("rtmfp:/live/cam#" + spec)
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(l.String())
		if err != nil || !reflect.DeepEqual(again.Introducers, l.Introducers) || again.Stream != l.Stream ||
			again.Fingerprint != l.Fingerprint || again.Spec.ID() != l.Spec.ID() {
			t.Fatalf("%q comes back as %+v, %v from %q", text, again, err, l)
		}
	})
}

func Example() {
	spec, err := groupspec.New(groupspec.Settings{Name: "show", Multicast: true, ServerChannel: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	link := Link{Introducers: []string{"meet.example:1935"}, Stream: "main stage", Spec: spec}
	fmt.Println(&link)
	// Output: rtmfp://meet.example:1935/live/main%20stage#G:027f020101010c050e73686f7700
}
