package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/sharelink"
	"github.com/ringcast/ringcast/playout/web"
)

// maxIntroducers bounds the meeting points, as a share link does.
const maxIntroducers = sharelink.MaxIntroducers

// validateNetwork checks the settings of the network, one by one and with each
// other.
func (l *Loaded) validateNetwork() error {
	if len(l.Introducers) > maxIntroducers {
		return l.bad("introducer", fmt.Sprint(len(l.Introducers)), "are too many", fmt.Sprintf("up to %d", maxIntroducers))
	}
	for _, addr := range l.Introducers {
		if err := checkPeerAddress(addr); err != nil {
			return l.bad("introducer", addr, err.Error(), "host:port such as meet.example:1935")
		}
	}
	if l.PublicAddress != "" {
		if err := checkPeerAddress(l.PublicAddress); err != nil {
			return l.bad("publicAddress", l.PublicAddress, err.Error(), "host:port such as node.example:1935")
		}
	}
	for key, links := range map[string][]string{"play": l.Play, "seed": l.Seed} {
		for i, link := range links {
			if _, err := sharelink.Parse(link); err != nil {
				return l.bad(key, "", fmt.Sprintf("item %d: %v", i+1, err), "share links, such as `ringcast publish` prints, with spaces between them")
			}
		}
	}
	if _, err := web.ParseAccess(l.HTTP.Admin); err != nil {
		return l.bad("http.admin", "", err.Error(), web.AccessForms)
	}
	if err := l.validateGroup(); err != nil {
		return err
	}
	return l.validateStreams()
}

// bad is an error about one setting.
func (l *Loaded) bad(key, value, problem, allowed string) error {
	return &Error{Key: key, Value: value, Problem: problem, Allowed: allowed, Origin: l.Origin(key)}
}

// checkPeerAddress accepts host:port with a host and a port to send to.
func checkPeerAddress(text string) error {
	if err := checkAddress(text); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(text)
	if host == "" {
		return errors.New("names no host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("has no port between 1 and 65535")
	}
	return nil
}

// validateGroup checks what describes the group.
func (l *Loaded) validateGroup() error {
	g := &l.Group
	if g.Spec != "" {
		spec, err := groupspec.Parse(g.Spec)
		if err != nil {
			return l.bad("group.spec", "", err.Error(), "a groupspec, such as `ringcast groupspec new` makes")
		}
		for _, key := range []string{"group.name", "group.unique", "group.serverChannel", "group.peerToPeer"} {
			if o := l.Origin(key); !o.IsDefault() {
				return &Error{Key: key, Problem: "cannot change the groupspec that group.spec gives", Allowed: "one of the two", Origin: o}
			}
		}
		settings := spec.Settings()
		if !settings.Multicast && !l.anyGroup {
			return l.bad("group.spec", "", "names a group without streams", "a group with multicast")
		}
	}
	if len(g.IPMulticast) > groupspec.MaxAddresses {
		return l.bad("group.ipMulticast", fmt.Sprint(len(g.IPMulticast)), "are too many", fmt.Sprintf("up to %d", groupspec.MaxAddresses))
	}
	for _, text := range g.IPMulticast {
		if _, err := groupspec.ParseAddress(text); err != nil {
			return l.bad("group.ipMulticast", text, err.Error(), "multicast addresses such as 239.255.7.1:30303 or 10.0.0.7@232.1.2.3:30000")
		}
	}
	if len(g.BootstrapPeers) > groupspec.MaxPeers {
		return l.bad("group.bootstrapPeers", fmt.Sprint(len(g.BootstrapPeers)), "are too many", fmt.Sprintf("up to %d", groupspec.MaxPeers))
	}
	for _, text := range g.BootstrapPeers {
		if _, err := overlay.ParsePeerID(text); err != nil {
			return l.bad("group.bootstrapPeers", text, err.Error(), "peer IDs of 64 hexadecimal digits")
		}
	}
	if !g.PeerToPeer && len(g.IPMulticast) == 0 {
		return &Error{
			Key: "group.peerToPeer", Value: "false", Problem: "leaves no way for streams", Allowed: "false together with group.ipMulticast",
			Origin: l.blame("group.peerToPeer", "group.ipMulticast"),
		}
	}
	return nil
}

// validateStreams checks what times of a stream have to do with each other. A
// default gives way to a shorter window; what somebody set does not.
func (l *Loaded) validateStreams() error {
	window := l.Multicast.WindowDuration
	for key, d := range map[string]*time.Duration{
		"multicast.relayMarginDuration": &l.Multicast.RelayMarginDuration, "multicast.fetchPeriod": &l.Multicast.FetchPeriod,
	} {
		if *d <= window {
			continue
		}
		if l.Origin(key).IsDefault() {
			*d = window
			continue
		}
		return l.bad(key, d.String(), "is longer than multicast.windowDuration", "up to "+window.String())
	}
	return nil
}
