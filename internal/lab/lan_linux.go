package lab

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// Multicast is how a LAN treats IP multicast.
type Multicast int

// The ways of LANs with multicast.
const (
	// Flood hands every group to every port, as a plain switch does.
	Flood Multicast = iota
	// Snoop hands groups to their members only (IGMP and MLD snooping).
	Snoop
	// NoMulticast drops it, as many access points do.
	NoMulticast
)

// LANConfig describes a LAN and its router.
type LANConfig struct {
	// NAT is the router's kind of NAT; nil means plain routing. Mapping may
	// be endpoint-independent, or address- and port-dependent together with
	// such filtering: those are what the kernel can do. TCP is always treated
	// as by a port-restricted NAT.
	NAT *vnet.NATParams
	// Up and Down are the faults of the router's cable to the core.
	Up, Down *vnet.LinkParams
	// Multicast is how the LAN treats multicast.
	Multicast Multicast
	// MTU of the LAN in bytes; 0 means 1500.
	MTU int
	// IPv6 gives the LAN addresses that are routed without a NAT.
	IPv6 bool
}

// LAN is a switch with hosts behind a router to the core.
type LAN struct {
	lab    *Lab
	name   string
	n      int
	ns     string // namespace of router and switch
	config LANConfig
	hosts  []*Host
	cable  *cable
}

const defaultUDPTimeout = 30 * time.Second

// AddLAN adds a LAN. Its hosts get addresses 10.n.0.1 and on, its router is
// 10.n.0.254 inside and 198.18.0.n outside, n counting the lab's LANs.
func (l *Lab) AddLAN(name string, config LANConfig) *LAN {
	l.t.Helper()
	lan := &LAN{lab: l, name: name, n: len(l.lans) + 1, config: config}
	if lan.n > 99 {
		l.t.Fatal("lab: more than 99 LANs")
	}
	if lan.config.MTU == 0 {
		lan.config.MTU = 1500
	}
	lan.ns = l.addNamespace(name)
	l.ip(lan.ns, bridge("br0", 0)...)
	lan.cable = l.connect(lan.ns, "wan0", l.core, fmt.Sprintf("w%d", lan.n), 1500, HostConfig{config.Up, config.Down})
	l.ip(lan.ns,
		fmt.Sprintf("addr add 10.%d.0.254/24 dev br0", lan.n),
		fmt.Sprintf("addr add %v/24 dev wan0", lan.Outside()),
		"link set wan0 up",
		"route add 224.0.0.0/4 dev br0",
	)
	lan.sysctl("net/ipv4/ip_forward", "1")
	lan.sysctl("net/ipv4/conf/all/send_redirects", "0")
	lan.sysctl("net/ipv4/conf/br0/send_redirects", "0")
	if config.IPv6 {
		lan.sysctl("net/ipv6/conf/all/forwarding", "1")
		l.ip(lan.ns,
			fmt.Sprintf("addr add fd00:%d::fe/64 dev br0 nodad", lan.n),
			fmt.Sprintf("addr add fd00::%d/64 dev wan0 nodad", lan.n))
	}
	lan.SetMulticast(config.Multicast)
	lan.setNAT()
	l.addRoutes(lan)
	l.lans = append(l.lans, lan)
	return lan
}

// addRoutes tells the others on the core the way to a LAN without a NAT.
func (l *Lab) addRoutes(lan *LAN) {
	l.t.Helper()
	for _, other := range l.lans {
		if lan.config.NAT == nil {
			l.ip(other.ns, lan.routeLine("wan0"))
		}
		if other.config.NAT == nil {
			l.ip(lan.ns, other.routeLine("wan0"))
		}
		if lan.config.IPv6 && other.config.IPv6 {
			l.ip(other.ns, fmt.Sprintf("route add fd00:%d::/64 via fd00::%d", lan.n, lan.n))
			l.ip(lan.ns, fmt.Sprintf("route add fd00:%d::/64 via fd00::%d", other.n, other.n))
		}
	}
	for _, h := range l.coreHosts {
		if lan.config.NAT == nil {
			l.ip(h.ns, lan.routeLine("eth0"))
		}
		if lan.config.IPv6 {
			l.ip(h.ns, fmt.Sprintf("route add fd00:%d::/64 via fd00::%d", lan.n, lan.n))
		}
	}
}

func (lan *LAN) routeLine(dev string) string {
	return fmt.Sprintf("route add 10.%d.0.0/24 via %v dev %s", lan.n, lan.Outside(), dev)
}

// WANBytes returns how many bytes of frames have come into the LAN from the
// core and gone out to it, as the router's interface counts them.
func (lan *LAN) WANBytes() (in, out uint64) {
	lan.lab.t.Helper()
	read := func(name string) uint64 {
		text, err := exec.Command("ip", "netns", "exec", lan.ns, "cat", "/sys/class/net/wan0/statistics/"+name).Output()
		if err != nil {
			lan.lab.t.Fatalf("lab: read %s of %s: %v", name, lan.name, err)
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			lan.lab.t.Fatalf("lab: %s of %s: %v", name, lan.name, err)
		}
		return n
	}
	return read("rx_bytes"), read("tx_bytes")
}

// Outside returns the address of the LAN's router on the core.
func (lan *LAN) Outside() netip.Addr { return coreAddr(lan.n) }

// AddHost adds a host to the LAN.
func (lan *LAN) AddHost(name string, config HostConfig) *Host {
	l := lan.lab
	l.t.Helper()
	n := len(lan.hosts) + 1
	if n > 253 {
		l.t.Fatalf("lab: more than 253 hosts on LAN %s", lan.name)
	}
	var addr6 netip.Addr
	if lan.config.IPv6 {
		addr6 = netip.MustParseAddr(fmt.Sprintf("fd00:%d::%d", lan.n, n))
	}
	h := l.newHost(name, config, lan.ns, netip.MustParseAddr(fmt.Sprintf("10.%d.0.%d", lan.n, n)), addr6, lan.config.MTU)
	lines := []string{"route add 224.0.0.0/4 dev eth0", fmt.Sprintf("route add default via 10.%d.0.254", lan.n)}
	if addr6.IsValid() {
		lines = append(lines, fmt.Sprintf("route add default via fd00:%d::fe", lan.n))
	}
	l.ip(h.ns, lines...)
	lan.hosts = append(lan.hosts, h)
	return h
}

// SetFaults changes the faults of the router's cable to the core, which must
// have been made with faults.
func (lan *LAN) SetFaults(up, down *vnet.LinkParams) {
	lan.lab.t.Helper()
	if lan.cable == nil {
		lan.lab.t.Fatalf("lab: the cable of LAN %s was made without faults", lan.name)
	}
	lan.lab.setFaults(lan.cable, up, down)
}

// SetMulticast changes how the LAN treats multicast.
func (lan *LAN) SetMulticast(mode Multicast) {
	l := lan.lab
	l.t.Helper()
	lines := []string{"link set br0 type bridge mcast_snooping 0 mcast_querier 0"}
	if mode == Snoop {
		// Without the short times a new querier floods for its first seconds.
		lines = append(lines,
			"link set br0 type bridge mcast_query_response_interval 100 mcast_startup_query_interval 100 "+
				"mcast_query_interval 1000 mcast_membership_interval 3000 mcast_querier_interval 2500 mcast_last_member_interval 50",
			"link set br0 type bridge mcast_snooping 1 mcast_querier 1")
	}
	l.ip(lan.ns, lines...)
	// Naming the table before flushing it makes this work the first time too.
	rules := "table bridge labcast\ndelete table bridge labcast\n"
	if mode == NoMulticast {
		// IPv6 neighbour discovery is on ff02::/16 and must go on.
		rules += `table bridge labcast {
	chain forward {
		type filter hook forward priority 0
		ip daddr 224.0.0.0/4 drop
		ip6 daddr ff02::/16 accept
		ip6 daddr ff00::/8 drop
	}
}
`
	}
	lan.nft(rules)
}

func (lan *LAN) nft(rules string) {
	lan.lab.t.Helper()
	lan.lab.run(rules, "ip", "netns", "exec", lan.ns, "nft", "-f", "-")
}

func (lan *LAN) sysctl(name, value string) {
	lan.lab.t.Helper()
	lan.lab.sysctl(lan.ns, name, value)
}

// setNAT gives the router its rules.
func (lan *LAN) setNAT() {
	nat := lan.config.NAT
	if nat == nil {
		return
	}
	lan.lab.t.Helper()
	timeout := nat.Timeout
	if timeout == 0 {
		timeout = defaultUDPTimeout
	}
	seconds := strconv.Itoa(max(int(timeout/time.Second), 1))
	rules, err := natRules(*nat, fmt.Sprintf("10.%d.0.0/24", lan.n), lan.Outside().String(), seconds)
	if err != nil {
		lan.lab.t.Fatal(err)
	}
	lan.nft(rules)
	lan.sysctl("net/netfilter/nf_conntrack_udp_timeout", seconds)
	lan.sysctl("net/netfilter/nf_conntrack_udp_timeout_stream", seconds)
}

// natRules returns the rules of nftables for a NAT. The kernel's own
// masquerading is a port-restricted cone (as long as ports do not collide) or,
// with random ports, a symmetric NAT. For the two kinds that let others in,
// each mapping is learnt as it leaves and used for what comes in without one.
func natRules(nat vnet.NATParams, inside, outside, seconds string) (string, error) {
	learnt := nat.Filtering != vnet.AddressAndPortDependent
	cone := nat.Mapping == vnet.EndpointIndependent
	if !cone && (nat.Mapping != vnet.AddressAndPortDependent || learnt) || nat.Hairpin && !learnt {
		return "", fmt.Errorf("lab: the kernel cannot do the NAT %+v", nat)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("table ip labnat {")
	if learnt {
		source := "udp dport map @back"
		line("map back { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout %ss; size 65535; }", seconds)
		line("set allow { type inet_service . ipv4_addr; flags dynamic,timeout; timeout %ss; size 65535; }", seconds)
		line("chain learn { type filter hook postrouting priority 300")
		line("oifname wan0 meta l4proto udp update @back { udp sport : ct original ip saddr . ct original proto-src }")
		line("oifname wan0 meta l4proto udp update @allow { udp sport . ip daddr }")
		line("}\nchain in { type nat hook prerouting priority -100")
		allowed := ""
		if nat.Filtering == vnet.AddressDependent {
			allowed = "udp dport . ip saddr @allow "
		}
		line("iifname wan0 meta l4proto udp ip daddr %s %sdnat to %s", outside, allowed, source)
		if nat.Hairpin {
			line("iifname br0 meta l4proto udp ip daddr %s dnat to %s", outside, source)
		}
		line("}")
	}
	line("chain out { type nat hook postrouting priority 100")
	if nat.Hairpin {
		line("oifname br0 ip saddr %s ct status dnat snat to %s", inside, outside)
	}
	random := ""
	if !cone {
		random = " fully-random"
	}
	line("oifname wan0 ip saddr %s masquerade%s\n}", inside, random)
	// An early packet of a hole punch must leave no conntrack entry behind,
	// or it would take the port that the inner host is about to use.
	line("chain local { type filter hook input priority 0")
	line("iifname wan0 ct state established,related accept\niifname wan0 icmp type echo-request accept\niifname wan0 drop\n}")
	line("chain through { type filter hook forward priority 0")
	line("iifname wan0 ct state established,related accept\niifname wan0 ct status dnat accept\niifname wan0 drop\n}\n}")
	return b.String(), nil
}
