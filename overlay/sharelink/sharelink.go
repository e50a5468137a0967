package sharelink

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/ringcast/ringcast/overlay/groupspec"
)

const (
	// DefaultPort is the port of an introducer that a link names without one.
	DefaultPort = 1935
	// MaxIntroducers is the most introducers of a link, and MaxLen the longest
	// link, in bytes: defences against a link that makes us call on many.
	MaxIntroducers = 16
	MaxLen         = 24 << 10

	scheme = "rtmfp:"
	app    = "live"
	form   = "rtmfp://HOST:PORT/live/STREAM?fp=HEX#G:…"
)

// ErrLink is wrapped by all errors of Parse.
var ErrLink = errors.New("not a share link")

// Link is what a share link says.
type Link struct {
	// Introducers are "host:port", with IPv6 addresses in brackets; none for a
	// group that finds itself without.
	Introducers []string
	// Fingerprint is the peer ID of the first introducer, if HasFingerprint.
	Fingerprint    [32]byte
	HasFingerprint bool
	// Stream is the name of the stream.
	Stream string
	Spec   *groupspec.Spec
}

// String returns the link. The passwords of the groupspec are left out, since a
// link is given to viewers.
func (l *Link) String() string {
	b := strings.Builder{}
	b.WriteString(scheme + "//" + strings.Join(l.Introducers, ",") + "/" + app + "/" + escape(l.Stream))
	if l.HasFingerprint {
		b.WriteString("?fp=" + hex.EncodeToString(l.Fingerprint[:]))
	}
	b.WriteString("#" + l.Spec.WithoutAuthorizations())
	return b.String()
}

// escape escapes a name for a path, in which slashes may stand.
func escape(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// Validate reports what cannot be written as a link.
func (l *Link) Validate() error {
	if l.Spec == nil {
		return wrong("no groupspec")
	}
	_, err := Parse(l.String())
	return err
}

// Parse reads a share link. Blanks around it, parameters that are not known and
// a missing port are accepted. An error says what is wrong; it does not repeat
// the link, which is a secret.
func Parse(text string) (*Link, error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxLen {
		return nil, wrong("it has %d characters, at most %d", len(text), MaxLen)
	}
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return nil, wrong("it does not begin with rtmfp://; the form is %s", form)
	}
	rest, fragment, ok := strings.Cut(text[len(scheme):], "#")
	if !ok || fragment == "" {
		return nil, wrong("the groupspec after # is missing; the form is %s", form)
	}
	// The characters of a groupspec need no escape, but some programs do.
	fragment = strings.Replace(fragment, "%3A", ":", 1)
	spec, err := groupspec.Parse(fragment)
	if err != nil {
		return nil, wrong("after #: %w", err)
	}
	l := &Link{Spec: spec}
	address, query, _ := strings.Cut(rest, "?")
	if err := l.readAddress(address); err != nil {
		return nil, err
	}
	return l, l.readQuery(query)
}

// readAddress reads "//HOST:PORT,…/live/STREAM", "///live/STREAM" or
// "/live/STREAM".
func (l *Link) readAddress(address string) error {
	hosts := ""
	if after, ok := strings.CutPrefix(address, "//"); ok {
		slash := strings.IndexByte(after, '/')
		if slash < 0 {
			return wrong("no stream after the host; the form is %s", form)
		}
		hosts, address = after[:slash], after[slash:]
	}
	for _, host := range split(hosts) {
		host, err := hostPort(host)
		switch {
		case err != nil:
			return err
		case len(l.Introducers) == MaxIntroducers:
			return wrong("more than %d introducers", MaxIntroducers)
		}
		l.Introducers = append(l.Introducers, host)
	}
	name, ok := strings.CutPrefix(address, "/"+app+"/")
	if !ok || name == "" {
		return wrong("no stream: after the host must follow /live/ and the name of the stream")
	}
	stream, err := url.PathUnescape(name)
	if err != nil {
		return wrong("the name of the stream: %w", err)
	}
	l.Stream = stream
	return nil
}

func split(hosts string) []string {
	if hosts == "" {
		return nil
	}
	return strings.Split(hosts, ",")
}

// hostPort checks an introducer's address and adds the port if it is missing.
func hostPort(text string) (string, error) {
	var host, port string
	var hasPort bool
	if rest, ok := strings.CutPrefix(text, "["); ok {
		inside, after, closed := strings.Cut(rest, "]")
		if !closed || after != "" && after[0] != ':' {
			return "", wrong("introducer %q: the form is [IPv6]:PORT", text)
		}
		host, port, hasPort = inside, strings.TrimPrefix(after, ":"), after != ""
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
			return "", wrong("introducer %q: %q is not an IPv6 address", text, host)
		}
		host = "[" + host + "]"
	} else {
		host, port, hasPort = strings.Cut(text, ":")
		if strings.Contains(port, ":") {
			return "", wrong("introducer %q: an IPv6 address must be in brackets", text)
		}
		if host == "" || strings.ContainsAny(host, "@%\\ \t\"<>[]") {
			return "", wrong("introducer %q: no valid host", text)
		}
	}
	if !hasPort {
		return host + ":" + strconv.Itoa(DefaultPort), nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", wrong("introducer %q: port %q is not 1 to 65535", text, port)
	}
	return host + ":" + port, nil
}

func (l *Link) readQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return wrong("after ?: %w", err)
	}
	if !values.Has("fp") {
		return nil
	}
	b, err := hex.DecodeString(values.Get("fp"))
	switch {
	case err != nil || len(b) != len(l.Fingerprint):
		return wrong("fp=%s: a fingerprint has 64 hexadecimal digits", values.Get("fp"))
	case len(l.Introducers) == 0:
		return wrong("a fingerprint, but no introducer")
	}
	l.Fingerprint, l.HasFingerprint = [32]byte(b), true
	return nil
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrLink}, args...)...)
}
