package groupspec

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Address is an address of native IP multicast.
type Address struct {
	Group netip.AddrPort
	// Source is the only sender whose datagrams are wanted (source-specific
	// multicast); not valid for any.
	Source netip.Addr
}

// String returns the address in the form that ParseAddress reads.
func (a Address) String() string {
	if a.Source.IsValid() {
		return a.Source.String() + "@" + a.Group.String()
	}
	return a.Group.String()
}

// ParseAddress reads an address in text: "224.0.0.254:30000",
// "[ff03::ffff]:30000" or, for one source, "10.0.0.7@232.1.2.3:30000".
func ParseAddress(text string) (Address, error) {
	source, group, found := strings.Cut(text, "@")
	if !found {
		source, group = "", text
	}
	return ParseAddressParts(group, 0, source)
}

// ParseAddressParts reads an address as addIPMulticastAddress of the original
// class takes it: the port is either part of the text, or 1 to 65535, and the
// source may be empty. IPv6 in brackets, and without where there is no port.
func ParseAddressParts(text string, port int, source string) (Address, error) {
	fail := func(format string, args ...any) (Address, error) {
		return Address{}, fmt.Errorf("%w: multicast address %q: "+format, append([]any{ErrOption, text}, args...)...)
	}
	host, inText := splitPort(text)
	switch {
	case inText != "" && port != 0:
		return fail("the port is given twice")
	case inText == "" && port == 0:
		return fail("the port is missing")
	case inText != "":
		n, err := strconv.ParseUint(inText, 10, 16)
		if err != nil || n == 0 {
			return fail("port %q is not 1 to 65535", inText)
		}
		port = int(n)
	case port < 0 || port > 65535:
		return fail("port %d is not 1 to 65535", port)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		return fail("%q is not an IP address", host)
	}
	a := Address{Group: netip.AddrPortFrom(ip.Unmap(), uint16(port))}
	if source != "" {
		from, err := netip.ParseAddr(strings.Trim(source, "[]"))
		if err != nil || from.Zone() != "" {
			return fail("source %q is not an IP address", source)
		}
		a.Source = from.Unmap()
	}
	return a, a.validate()
}

// splitPort splits "host:port" or "[host]:port"; brackets are taken off, and
// the port is empty if there is none.
func splitPort(text string) (host, port string) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		host, after, _ := strings.Cut(rest, "]")
		return host, strings.TrimPrefix(after, ":")
	}
	if strings.Count(text, ":") == 1 {
		host, port, _ = strings.Cut(text, ":")
		return host, port
	}
	return text, "" // IPv6 without brackets, or no port
}

func (a Address) validate() error {
	switch {
	case !a.Group.Addr().IsMulticast():
		return fmt.Errorf("%w: %v is not a multicast address", ErrOption, a.Group.Addr())
	case a.Group.Port() == 0:
		return fmt.Errorf("%w: multicast address %v has no port", ErrOption, a.Group.Addr())
	case !a.Source.IsValid():
		return nil
	case a.Source.Is4() != a.Group.Addr().Is4():
		return fmt.Errorf("%w: source %v and multicast address %v are of different families", ErrOption, a.Source, a.Group.Addr())
	case a.Source.IsMulticast() || a.Source.IsUnspecified():
		return fmt.Errorf("%w: %v cannot be the source of multicast", ErrOption, a.Source)
	}
	return nil
}

// appendAddressOption appends an address as an option:
//
//	option 0a  address[4 or 16], u16 port, source[4 or 16] if there is one
func appendAddressOption(b []byte, a Address) []byte {
	value := a.Group.Addr().AsSlice()
	value = binary.BigEndian.AppendUint16(value, a.Group.Port())
	if a.Source.IsValid() {
		value = append(value, a.Source.AsSlice()...)
	}
	return vlu.AppendOption(b, optionAddress, value)
}

// parseAddressOption reads the value of an option; its length tells the form.
func parseAddressOption(value []byte) (Address, error) {
	size := 0
	switch len(value) {
	case 4 + 2, 4 + 2 + 4:
		size = 4
	case 16 + 2, 16 + 2 + 16:
		size = 16
	default:
		return Address{}, fmt.Errorf("%w: a multicast address has 6, 10, 18 or 34 bytes", ErrOption)
	}
	ip, _ := netip.AddrFromSlice(value[:size])
	a := Address{Group: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(value[size:]))}
	if rest := value[size+2:]; len(rest) > 0 {
		a.Source, _ = netip.AddrFromSlice(rest)
	}
	return a, a.validate()
}
