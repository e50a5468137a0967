package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// AccessForms says what an item of http.admin can be.
const AccessForms = "all, private, loopback, or prefixes such as 198.51.100.0/24"

// Access says whose requests for the dashboard, the API and metrics are
// answered. The zero value lets nobody in. It is not changed after it is made.
type Access struct {
	everybody bool
	prefixes  []netip.Prefix
}

// The words that stand for prefixes.
var accessWords = map[string][]string{
	"loopback": {"127.0.0.0/8", "::1/128"},
	"private": {
		"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
	},
}

// maxPrefixes bounds the items of an Access.
const maxPrefixes = 256

// ParseAccess reads a list of prefixes, addresses and the words "all",
// "private" and "loopback".
func ParseAccess(list []string) (Access, error) {
	var a Access
	if len(list) > maxPrefixes {
		return a, fmt.Errorf("has %d items, at most %d", len(list), maxPrefixes)
	}
	for _, item := range list {
		texts, isWord := accessWords[item]
		switch {
		case item == "all":
			a.everybody = true
			continue
		case !isWord:
			texts = []string{item}
		}
		for _, text := range texts {
			p, err := parsePrefix(text)
			if err != nil {
				return a, fmt.Errorf("%q is no network", item)
			}
			a.prefixes = append(a.prefixes, p)
		}
	}
	return a, nil
}

// parsePrefix reads a prefix, or an address as one.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		return p, errors.New("an IPv4 prefix in IPv6")
	}
	return p, err
}

// Allows reports whether the request may see what is for the node's operators.
// Whose request a proxy passes on is not known for sure, so it counts as from
// outside.
func (a *Access) Allows(r *http.Request) bool {
	if a.everybody {
		return true
	}
	if isForwarded(r) {
		return false
	}
	client := clientAddr(r)
	for _, p := range a.prefixes {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// isForwarded reports whether a proxy says that it passes on the request of
// somebody else.
func isForwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// clientAddr returns the address that a request comes from, without its zone.
func clientAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
