package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/overlay/groupspec"
)

// command runs ringcast and returns the exit status and what it prints.
func command(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs, nil)
	return status, out.String(), errs.String()
}

func TestGroupspecNew(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("pub\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"test --routing=false --object-replication=false", "G:027f0201010103010c050e74657374011b00"},
		{"test --groupspec-version 1 --routing=false --object-replication=false --posting=false --no-member-updates", "G:0101010c050e7465737400"},
		{
			"stage/one --publish-password-file " + secret + " --publish-salt s1 --posting-password post --posting-salt s2 --ip-multicast 225.225.0.1:30303" +
				" --bootstrap-peer 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"G:027f020100010101020103230573310f9e834d32c28b194e45aedb253439f40e5eb5c8e58788715ce4c1cabf3d678523077332",
		},
		{"tv --no-peers --multicast=false --posting=false --routing=false --object-replication=false", "G:027f02010d030e747600"},
		{"tv --no-server-channel", "G:027f020100010101020103030e7476011b00"},
	} {
		status, out, notes := command(append([]string{"groupspec", "new"}, strings.Fields(c.args)...)...)
		if status != exitOK || !strings.HasPrefix(out, c.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("new %s: status %d, %q, %q, want %s", c.args, status, out, notes, c.want)
		}
		if strings.Contains(c.args, "password") != strings.Contains(notes, "must not have them") {
			t.Errorf("new %s says %q", c.args, notes)
		}
		if _, err := groupspec.Parse(strings.TrimSpace(out)); err != nil {
			t.Errorf("new %s: %v", c.args, err)
		}
	}
	_, first, notes := command("groupspec", "new", "x", "--unique")
	_, second, _ := command("groupspec", "new", "x", "--unique")
	if first == second || notes != "" {
		t.Errorf("unique groups are %q and %q, with %q", first, second, notes)
	}
}

func TestGroupspecShow(t *testing.T) {
	const spec = "G:027f0201010103010c050e74657374011b00"
	status, out, _ := command("groupspec", "show", "rtmfp://192.0.2.1/live/cam#"+spec)
	want := `stream         "cam"
introducers    192.0.2.1:1935
group          "test"
unique         no: whoever guesses the rest can join
group ID       763f90e4b524a0e026052bb5696bd143246f26c6eb0b9fa31b0d1ed39a092620
version        2
allows         streams, posting
found by       introducers, the local network

options
  version 2                                    027f 02
  multicast streams                            0101
  posting                                      0103
  server channel                               010c
  name "test"                                  050e 74657374
  member updates on IP multicast               011b
  end of the identity                          00
`
	if status != exitOK || out != want {
		t.Errorf("show: status %d\n%s\nwant\n%s", status, out, want)
	}
	status, out, _ = command("groupspec", "show", "--json", spec)
	var d groupspecDescription
	if err := json.Unmarshal([]byte(out), &d); err != nil || status != exitOK {
		t.Fatalf("show --json: status %d, %q, %v", status, out, err)
	}
	if d.Groupspec != spec || d.Name != "test" || !d.Multicast || d.Routing || !d.PeerToPeer || len(d.Options) != 7 {
		t.Errorf("show --json: %+v", d)
	}
}

func TestGroupspecShowPassword(t *testing.T) {
	for _, c := range []struct{ extra, want string }{
		{"", "publishing     needs a password, which is not in the groupspec\n"},
		{groupspec.EncodePublishAuthorization("right"), "publishing     needs a password, which is in the groupspec: \"right\"\n"},
		{groupspec.EncodePublishAuthorization("wrong"), "publishing     needs a password; the one in the groupspec is wrong: \"wrong\"\n"},
	} {
		s := groupspec.Settings{Name: "a"}
		s.SetPublishPassword("right", "")
		spec, err := groupspec.New(s)
		if err != nil {
			t.Fatal(err)
		}
		status, out, _ := command("groupspec", "show", spec.WithoutAuthorizations()+c.extra)
		if status != exitOK || !strings.Contains(out, c.want) || strings.Contains(out, "for viewers") != (c.extra != "") {
			t.Errorf("status %d\n%s\nwant %q", status, out, c.want)
		}
	}
}

func TestGroupspecErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"new", "the form is ringcast groupspec new NAME"},
		{"new a b", "wrong number of arguments, 2"},
		{"new a --ip-multicast 192.0.2.1:1", "not a multicast address"},
		{"new a --ip-multicast 239.0.0.1", "the port is missing"},
		{"new a --bootstrap-peer 12", "want 64 hexadecimal digits"},
		{"new a --groupspec-version 3", "must be 1 to 2"},
		{"new a --publish-password x --publish-password-file y", "give one of them"},
		{"new a --posting-password-file /nonexistent/file", "/nonexistent/file"},
		{"new a --posting-password-file /dev/null", "it is empty"},
		{"show cam", "neither a groupspec"},
		{"show G:0101", "cut off"},
		{"show rtmfp://a/live/cam", "groupspec after # is missing"},
		{"nwe", "did you mean new?"},
	} {
		status, out, errs := command(append([]string{"groupspec"}, strings.Fields(c.args)...)...)
		if status != exitUsage || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d, %q, %q, want %q", c.args, status, out, errs, c.want)
		}
	}
}
