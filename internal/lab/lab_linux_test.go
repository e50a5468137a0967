package lab

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// listen binds a UDP socket in a host.
func listen(t *testing.T, h *Host, port uint16) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Addr(), port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, c *net.UDPConn, to netip.AddrPort, text string) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

// receive returns the text and sender of the next datagram with the text want,
// or false if none comes in time.
func receive(t *testing.T, c *net.UDPConn, want string, wait time.Duration) (netip.AddrPort, bool) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return netip.AddrPort{}, false
		}
		if string(buf[:n]) == want {
			return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), true
		}
	}
}

func local(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

const soon, never = 2 * time.Second, 100 * time.Millisecond

// The kernel's NATs map and filter as the virtual network's do.
func TestNATKinds(t *testing.T) {
	Need(t)
	for _, c := range []struct {
		nat                        vnet.NATParams
		sameOutside, port, address bool
	}{
		{vnet.FullCone(), true, true, true},
		{vnet.AddressRestricted(), true, true, false},
		{vnet.PortRestricted(), true, false, false},
		{vnet.Symmetric(), false, false, false},
	} {
		t.Run(c.nat.String(), func(t *testing.T) {
			l := New(t)
			lan := l.AddLAN("home", LANConfig{NAT: &c.nat})
			inside := listen(t, lan.AddHost("inside", HostConfig{}), 5000)
			far := l.AddHost("far", HostConfig{})
			farA, farB := listen(t, far, 1000), listen(t, far, 1001)
			other := listen(t, l.AddHost("other", HostConfig{}), 1000)
			send(t, inside, local(farA), "out")
			outside, ok := receive(t, farA, "out", soon)
			if !ok || outside.Addr() != lan.Outside() {
				t.Fatalf("the far end saw %v, want the router %v", outside, lan.Outside())
			}
			send(t, farA, outside, "answer")
			if _, ok := receive(t, inside, "answer", soon); !ok {
				t.Error("no answer comes in")
			}
			for _, try := range []struct {
				name string
				from *net.UDPConn
				want bool
			}{{"another port", farB, c.port}, {"another address", other, c.address}} {
				send(t, try.from, outside, try.name)
				wait := soon
				if !try.want {
					wait = never
				}
				if _, ok := receive(t, inside, try.name, wait); ok != try.want {
					t.Errorf("%s gets in: %v, want %v", try.name, ok, try.want)
				}
			}
			send(t, inside, local(other), "hello")
			second, ok := receive(t, other, "hello", soon)
			if !ok || (second == outside) != c.sameOutside {
				t.Errorf("seen as %v and %v, want equal: %v", outside, second, c.sameOutside)
			}
		})
	}
}

func TestHairpin(t *testing.T) {
	nat := vnet.FullCone()
	nat.Hairpin = true
	l := New(t)
	lan := l.AddLAN("home", LANConfig{NAT: &nat})
	a, b := listen(t, lan.AddHost("a", HostConfig{}), 5000), listen(t, lan.AddHost("b", HostConfig{}), 5000)
	far := listen(t, l.AddHost("far", HostConfig{}), 1000)
	send(t, a, local(far), "out")
	outside, ok := receive(t, far, "out", soon)
	if !ok {
		t.Fatal("nothing comes out")
	}
	send(t, b, outside, "turn")
	if from, ok := receive(t, a, "turn", soon); !ok || from.Addr() != lan.Outside() {
		t.Errorf("neighbour's packet to the outside address came from %v, %v", from, ok)
	}
}

func TestFaultsDelayAndLose(t *testing.T) {
	l := New(t)
	way := vnet.LinkParams{Delay: 40 * time.Millisecond}
	a := l.AddHost("a", HostConfig{Up: &way, Down: &way})
	b := l.AddHost("b", HostConfig{})
	from, to := listen(t, a, 1000), listen(t, b, 1000)
	send(t, from, local(to), "arp") // resolves addresses, with twice the delay
	if _, ok := receive(t, to, "arp", soon); !ok {
		t.Fatal("nothing arrives")
	}
	start := time.Now()
	send(t, from, local(to), "ping")
	back, ok := receive(t, to, "ping", soon)
	if took := time.Since(start); !ok || took < 40*time.Millisecond || took > 600*time.Millisecond {
		t.Errorf("one way took %v, want 40 ms and a little", took)
	}
	send(t, to, back, "pong")
	if _, ok := receive(t, from, "pong", soon); !ok || time.Since(start) < 80*time.Millisecond {
		t.Errorf("there and back took %v, want 80 ms and a little", time.Since(start))
	}
	a.SetFaults(&vnet.LinkParams{Loss: 1}, nil)
	send(t, from, local(to), "gone")
	if _, ok := receive(t, to, "gone", never); ok {
		t.Error("a cable that loses all passes something")
	}
	a.SetFaults(nil, nil)
	send(t, from, local(to), "again")
	if _, ok := receive(t, to, "again", soon); !ok {
		t.Error("nothing arrives after the cable was mended")
	}
	b.SetPlugged(false)
	send(t, from, local(to), "unplugged")
	if _, ok := receive(t, to, "unplugged", never); ok {
		t.Error("an unplugged host hears something")
	}
}

func TestRoutedLANsAndIPv6(t *testing.T) {
	l := New(t)
	server := l.AddHost("server", HostConfig{})
	one, two := l.AddLAN("one", LANConfig{IPv6: true}), l.AddLAN("two", LANConfig{IPv6: true})
	a, b := one.AddHost("a", HostConfig{}), two.AddHost("b", HostConfig{})
	ca, cb, cs := listen(t, a, 1), listen(t, b, 1), listen(t, server, 1)
	for _, to := range []*net.UDPConn{cb, cs} {
		send(t, ca, local(to), "v4")
		if from, ok := receive(t, to, "v4", soon); !ok || from.Addr() != a.Addr() {
			t.Errorf("came from %v, want %v untranslated", from, a.Addr())
		}
	}
	var six *net.UDPConn
	err := b.Do(func() (err error) {
		six, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.Addr6(), 7)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer six.Close()
	err = a.Do(func() error {
		c, err := net.Dial("udp6", six.LocalAddr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("v6"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if from, ok := receive(t, six, "v6", soon); !ok || from.Addr() != a.Addr6() {
		t.Errorf("came from %v, want %v", from, a.Addr6())
	}
}

func TestMulticastStaysOnItsLAN(t *testing.T) {
	l := New(t)
	one, two := l.AddLAN("one", LANConfig{}), l.AddLAN("two", LANConfig{})
	group := netip.MustParseAddrPort("239.1.2.3:5000")
	join := func(h *Host) *net.UDPConn {
		var c *net.UDPConn
		if err := h.Do(func() error {
			ifi, err := net.InterfaceByName("eth0")
			if err == nil {
				c, err = net.ListenMulticastUDP("udp4", ifi, net.UDPAddrFromAddrPort(group))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	near, far := join(one.AddHost("near", HostConfig{})), join(two.AddHost("far", HostConfig{}))
	sender := listen(t, one.AddHost("sender", HostConfig{}), 6000)
	send(t, sender, group, "all")
	if _, ok := receive(t, near, "all", soon); !ok {
		t.Error("a member on the LAN hears nothing")
	}
	if _, ok := receive(t, far, "all", never); ok {
		t.Error("multicast crossed a router")
	}
	one.SetMulticast(NoMulticast)
	send(t, sender, group, "off")
	if _, ok := receive(t, near, "off", never); ok {
		t.Error("a LAN without multicast carries it")
	}
}

// Programs run inside, and nothing is left when the lab is gone.
func TestProgramsAndRemoval(t *testing.T) {
	Need(t)
	var prefix string
	var sleeper *exec.Cmd
	t.Run("lab", func(t *testing.T) {
		l := New(t)
		prefix = l.prefix
		h := l.AddHost("a", HostConfig{})
		var out bytes.Buffer
		cmd := exec.Command("ip", "-4", "-br", "addr", "show", "eth0")
		cmd.Stdout = &out
		if err := h.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := h.Wait(cmd); err != nil || !bytes.Contains(out.Bytes(), []byte(h.Addr().String())) {
			t.Errorf("inside it says %q, %v", out.String(), err)
		}
		sleeper = exec.Command("sleep", "600")
		if err := h.Start(sleeper); err != nil {
			t.Fatal(err)
		}
	})
	if sleeper.ProcessState == nil {
		t.Error("a program outlives its lab")
	}
	if left, _ := filepath.Glob(filepath.Join(netnsDir, prefix+"*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// What a dead process left behind is removed by the next lab.
func TestAbandonedLabsAreRemoved(t *testing.T) {
	Need(t)
	name := namePrefix + "999999999-1-1-x"
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	New(t)
	if _, err := os.Stat(filepath.Join(netnsDir, name)); err == nil {
		t.Error("the abandoned namespace is still there")
	}
}

func TestNATTheKernelCannotDo(t *testing.T) {
	for _, nat := range []vnet.NATParams{
		{Mapping: vnet.AddressDependent},
		{Mapping: vnet.AddressAndPortDependent},
		{Filtering: vnet.AddressAndPortDependent, Hairpin: true},
	} {
		if _, err := natRules(nat, "10.0.0.0/24", "198.18.0.1", "30"); err == nil {
			t.Errorf("%+v is accepted", nat)
		}
	}
}
