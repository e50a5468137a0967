package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/ipv4"

	"github.com/ringcast/ringcast/rtmfp"
)

// finding is one line of the doctor's report.
type finding struct {
	Name string `json:"name"`
	// Status is "ok", "note" or "bad".
	Status string `json:"status"`
	Text   string `json:"text"`
	// Advice says what to do next.
	Advice string `json:"advice,omitempty"`
}

// doctor looks at this machine.
type doctor struct {
	findings    []finding
	introducers []string
}

func newDoctorCommand() *cobra.Command {
	var introducers []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine can do",
		Long: "Check this machine: whether the default ports are free, how large UDP buffers may\n" +
			"be, whether multicast comes back on each interface, how the clock keeps, what kind\n" +
			"of NAT is in the way towards an introducer (name two of them for the kind), and\n" +
			"which programs are here. The exit status is 1 if something is bad.",
		Example: "  ringcast doctor\n  ringcast doctor --introducer 192.0.2.7:1935,198.51.100.7:1935",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{introducers: introducers}
			d.run(cmd.Context())
			return d.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().StringSliceVar(&introducers, "introducer", nil, "introducers to look at the NAT from, `host:port`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func (d *doctor) add(name, status, text, advice string) {
	d.findings = append(d.findings, finding{name, status, text, advice})
}

func (d *doctor) run(ctx context.Context) {
	d.add("system", "ok", fmt.Sprintf("%s/%s, %d processors, ringcast %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), version()), "")
	d.ports(ctx)
	d.buffers()
	d.multicast()
	d.clock()
	d.nat(ctx)
	d.programs()
}

// print writes the report and fails if something is bad.
func (d *doctor) print(w io.Writer, asJSON bool) error {
	bad := 0
	for _, f := range d.findings {
		if f.Status == "bad" {
			bad++
		}
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(d.findings); err != nil {
			return err
		}
	} else {
		for _, f := range d.findings {
			fmt.Fprintf(w, "%-4s  %-22s %s\n", f.Status, f.Name, f.Text)
			if f.Advice != "" {
				fmt.Fprintf(w, "      %-22s -> %s\n", "", f.Advice)
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks are bad", bad, len(d.findings))
	}
	return nil
}

// ports tries the default ports.
func (d *doctor) ports(ctx context.Context) {
	var lc net.ListenConfig
	for _, p := range []struct{ network, address, use, flag string }{
		{"tcp", ":1935", "RTMP", "--rtmp-listen"},
		{"udp", ":1935", "RTMFP", "--rtmfp-listen"},
		{"tcp", "127.0.0.1:8554", "RTSP", "--rtsp-listen"},
		{"tcp", "127.0.0.1:8080", "HTTP", "--http-listen"},
	} {
		name := "port " + p.use
		var err error
		var closer io.Closer
		if p.network == "tcp" {
			closer, err = lc.Listen(ctx, p.network, p.address)
		} else {
			closer, err = lc.ListenPacket(ctx, p.network, p.address)
		}
		switch {
		case err == nil:
			_ = closer.Close()
			d.add(name, "ok", p.address+"/"+p.network+" is free", "")
		case errors.Is(err, syscall.EADDRINUSE):
			text := p.address + "/" + p.network + " is taken"
			if holder := portHolder(p.network, p.address); holder != "" {
				text += " by " + holder
			}
			d.add(name, "note", text, "a free port is taken instead; choose one with "+p.flag)
		case errors.Is(err, syscall.EACCES):
			d.add(name, "bad", p.address+"/"+p.network+" is not allowed", "choose a port above 1023 with "+p.flag)
		default:
			d.add(name, "bad", err.Error(), "choose another address with "+p.flag)
		}
	}
}

// wantedBuffer is the socket buffer that rides out 100 ms at 300 Mbit/s.
const wantedBuffer = 4 << 20

// buffers asks the kernel for large socket buffers.
func (d *doctor) buffers() {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		d.add("UDP buffers", "bad", err.Error(), "")
		return
	}
	defer c.Close()
	_ = c.SetReadBuffer(wantedBuffer)
	size := receiveBuffer(c)
	switch {
	case size == 0:
		d.add("UDP buffers", "note", "the system does not say how large they are", "")
	case size < wantedBuffer:
		d.add("UDP buffers", "note", fmt.Sprintf("at most %d KiB of the %d KiB wanted", size>>10, wantedBuffer>>10),
			fmt.Sprintf("busy nodes lose less with: sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", wantedBuffer, wantedBuffer))
	default:
		d.add("UDP buffers", "ok", fmt.Sprintf("%d KiB", size>>10), "")
	}
}

// multicast sends a datagram to a group on each interface and waits for it to
// come back.
func (d *doctor) multicast() {
	interfaces, err := net.Interfaces()
	if err != nil {
		d.add("multicast", "bad", err.Error(), "")
		return
	}
	any := false
	for i := range interfaces {
		ifi := &interfaces[i]
		if ifi.Flags&net.FlagUp == 0 || ifi.Flags&net.FlagMulticast == 0 || ifi.Flags&net.FlagLoopback != 0 {
			continue
		}
		any = true
		if err := multicastEcho(ifi); err != nil {
			d.add("multicast "+ifi.Name, "note", err.Error(), "members on this network find each other through an introducer instead")
		} else {
			d.add("multicast "+ifi.Name, "ok", "datagrams to a group come back", "")
		}
	}
	if !any {
		d.add("multicast", "note", "no interface beside loopback can do multicast", "members find each other through an introducer")
	}
}

// multicastEcho sends a datagram to a group on an interface and waits for it.
func multicastEcho(ifi *net.Interface) error {
	group := &net.UDPAddr{IP: net.IPv4(239, 255, 77, 77)}
	receiver, err := net.ListenMulticastUDP("udp4", ifi, group)
	if err != nil {
		return fmt.Errorf("cannot join a group: %w", err)
	}
	defer receiver.Close()
	port := receiver.LocalAddr().(*net.UDPAddr).Port
	sender, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	defer sender.Close()
	p := ipv4.NewPacketConn(sender)
	if err := p.SetMulticastInterface(ifi); err != nil {
		return fmt.Errorf("cannot send to a group: %w", err)
	}
	_ = p.SetMulticastLoopback(true)
	_ = p.SetMulticastTTL(0) // stays on this machine
	token := []byte("ringcast doctor " + rand.Text())
	if _, err := sender.WriteToUDP(token, &net.UDPAddr{IP: group.IP, Port: port}); err != nil {
		return fmt.Errorf("cannot send to a group: %w", err)
	}
	buf := make([]byte, 256)
	_ = receiver.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for {
		n, err := receiver.Read(buf)
		if err != nil {
			return errors.New("a datagram to a group does not come back: a firewall?")
		}
		if string(buf[:n]) == string(token) {
			return nil
		}
	}
}

// clock compares the wall clock with the monotonic one for a moment, and looks
// whether the year is possible.
func (d *doctor) clock() {
	start := time.Now()
	time.Sleep(50 * time.Millisecond)
	end := time.Now()
	drift := end.Round(0).Sub(start.Round(0)) - end.Sub(start)
	switch {
	case end.Year() < 2024:
		d.add("clock", "bad", "it is "+end.Format(time.DateOnly)+" here", "set the clock: certificates and dates in playlists need it")
	case drift.Abs() > 5*time.Millisecond:
		d.add("clock", "note", fmt.Sprintf("was moved by %v just now", drift), "dates in playlists jump with it; the stream's own time does not")
	default:
		d.add("clock", "ok", end.Format(time.RFC3339), "")
	}
}

// programs looks for those that publishers and viewers use.
func (d *doctor) programs() {
	for _, p := range []struct{ name, use string }{
		{"ffmpeg", "to push files and cameras"}, {"ffplay", "to watch"}, {"vlc", "to watch"}, {"mpv", "to watch"},
	} {
		path, err := exec.LookPath(p.name)
		if err != nil {
			d.add(p.name, "note", "is not here ("+p.use+")", "")
			continue
		}
		d.add(p.name, "ok", path, "")
	}
	if os.Getenv("RINGCAST_CONFIG") != "" {
		d.add("RINGCAST_CONFIG", "note", os.Getenv("RINGCAST_CONFIG"), "")
	}
}

// nat asks introducers from which address they see this machine.
func (d *doctor) nat(ctx context.Context) {
	if len(d.introducers) == 0 {
		d.add("NAT", "note", "not looked at", "name an introducer with --introducer")
		return
	}
	var seen []netip.AddrPort
	var port uint16
	o := &rtmfpOptions{listen: []string{"0.0.0.0:0"}}
	n, err := o.start(ctx, false, func(_ rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.MessageReceived && string(e.Recv.Metadata()) == flowObserved {
			if a, err := netip.ParseAddrPort(string(e.Data)); err == nil {
				seen = append(seen, a)
			}
		}
	})
	if err != nil {
		d.add("NAT", "bad", err.Error(), "")
		return
	}
	defer n.stop()
	port = n.driver.LocalAddrs()[0].Port()
	for _, addr := range d.introducers {
		d.observe(ctx, n, addr)
	}
	_ = n.driver.Do(func(rtmfp.Instant) { d.judgeNAT(seen, port) })
}

func (d *doctor) observe(ctx context.Context, n *rtmfpNode, addr string) {
	t, err := parseRTMFPTarget(ctx, "rtmfp://"+strings.TrimPrefix(addr, "rtmfp://")+"/live")
	if err != nil {
		d.add("introducer "+addr, "bad", err.Error(), "")
		return
	}
	start := time.Now()
	s, err := n.open(ctx, t, 5*time.Second)
	if err != nil {
		d.add("introducer "+addr, "bad", err.Error(), "is it running, and is UDP let through?")
		return
	}
	d.add("introducer "+addr, "ok", fmt.Sprintf("answers, session open in %v", time.Since(start).Round(time.Millisecond)), "")
	_ = n.driver.Do(func(now rtmfp.Instant) {
		if f, err := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(flowObserved)}); err == nil {
			_ = f.Write(now, nil, nil)
		}
	})
	select {
	case <-time.After(500 * time.Millisecond):
	case <-ctx.Done():
	}
	n.closeSession(s)
}

// judgeNAT says what kind of NAT makes these views of one socket.
func (d *doctor) judgeNAT(seen []netip.AddrPort, port uint16) {
	if len(seen) == 0 {
		d.add("NAT", "note", "no introducer has said where it sees this machine", "")
		return
	}
	local := false
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == seen[0].Addr().Unmap() {
			local = true
		}
	}
	same := true
	for _, a := range seen {
		same = same && a == seen[0]
	}
	switch {
	case local && seen[0].Port() == port:
		d.add("NAT", "ok", "none: seen as "+seen[0].String()+", an address of this machine", "")
	case len(seen) == 1:
		d.add("NAT", "note", "seen as "+seen[0].String(), "name a second introducer to learn whether peers can connect directly")
	case same:
		d.add("NAT", "ok", "one mapping for all ("+seen[0].String()+"): peers can connect directly", "")
	default:
		d.add("NAT", "note", fmt.Sprintf("another mapping for each far end (%v, %v): peers behind such a NAT too are reached through others", seen[0], seen[1]),
			"forward a UDP port to this machine and set --rtmfp-listen and --public-address")
	}
}
