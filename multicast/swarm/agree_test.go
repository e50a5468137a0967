package swarm

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	meeting "github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// agreeWay is the one-way delay of each end in the comparison, agreeLoss what
// is lost between any two.
const (
	agreeWay  = 20 * time.Millisecond
	agreeLoss = 0.01
)

// agreeScenario is a group that both the model and the real transport can be
// given: the same way between any two, loss, lines that carry what members give.
func agreeScenario(t *testing.T, nodes int, seed uint64) *Scenario {
	sc := named(t, "steady", nodes)
	sc.Seed, sc.Churn.On, sc.Unreachable = seed, false, 0
	sc.SquareDelay, sc.AccessDelay, sc.AccessJitter, sc.Loss = 0, agreeWay, 0, agreeLoss
	sc.Ramp, sc.Settle, sc.Duration = 2*time.Second, 6*time.Second, 8*time.Second
	sc.Upload, sc.Rho = []UploadClass{{0.3, 0.5}, {0.5, 2}, {0.2, 6}}, 2.2
	return sc
}

// realGroup is a group of real nodes on real sessions in a virtual network.
type realGroup struct {
	t     *testing.T
	sc    *Scenario
	net   *vnet.Net
	model *Sim // for what it draws by chance, and for the stream
	spec  *groupspec.Spec
	from  reliability.Time // messages from then on count
	delay Histogram
}

type seededEntropy struct{ r *rand.ChaCha8 }

func (e seededEntropy) Read(b []byte) (int, error) { return e.r.Read(b) }

func (g *realGroup) entropy(i int) io.Reader {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], g.sc.Seed<<32+uint64(i))
	return seededEntropy{rand.NewChaCha8(s)}
}

// add makes a node on a host of its own, whose line carries rate bytes a second.
func (g *realGroup) add(i int, addr netip.AddrPort, rate float64) (*multicast.Node, *vnet.Driver, *meeting.Introducer) {
	g.t.Helper()
	e, err := rtmfp.NewEndpoint(rtmfp.Config{
		Params: rtmfp.DefaultParams(), Profile: vnet.NewPlainProfile(fmt.Sprint("node", i), i == 0), Entropy: g.entropy(i),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	c := multicast.NodeConfig{Endpoint: e, Rand: stream(g.sc.Seed, "real", uint64(i)), Entropy: g.entropy(i + 10_000), Introduces: true}
	c.Uplink.Rate = rate
	var meet *meeting.Introducer
	if i == 0 {
		params := netconnection.DefaultServerParams()
		params.NoRelay = true
		if meet, err = meeting.New(meeting.DefaultParams(), stream(g.sc.Seed, "meet", 0)); err != nil {
			g.t.Fatal(err)
		}
		c.Services = []multicast.Service{netconnection.NewServer(e, params), meet}
	}
	n, err := multicast.NewNode(g.net.Now(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	host := g.net.AddHost()
	up := vnet.LinkParams{Delay: agreeWay, Bursts: vnet.BurstLoss(agreeLoss, g.sc.LossBurst), Rate: 8 * rate, Queue: time.Second}
	if err := host.AddInterface(nil, addr, up, vnet.LinkParams{Delay: agreeWay}); err != nil {
		g.t.Fatal(err)
	}
	return n, vnet.Drive(host, n), meet
}

// member adds a member that gives upload bytes a second, and lets it join and
// play, or publish.
func (g *realGroup) member(i int, server netip.AddrPort, upload float64) {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 1935)
	n, driver, _ := g.add(i, at, upload)
	driver.React = func(now reliability.Time) bool {
		for e, ok := n.PollEvent(); ok; e, ok = n.PollEvent() {
			if e.Member.Kind == multicast.MemberStream && e.Member.Stream.Kind == multicast.EventMessage {
				g.handOver(now, &e.Member.Stream.Message)
			}
		}
		return false
	}
	params := multicast.DefaultParams()
	params.WindowDuration, params.RelayMarginDuration = g.sc.Window, g.sc.Margin
	params.FetchPeriod = min(params.FetchPeriod, g.sc.Window)
	params.FragmentSize, params.UploadLimit = g.sc.FragmentSize, int64(upload)
	driver.Do(func(now reliability.Time) {
		url := "rtmfp://198.51.100.1/live"
		if _, err := n.Connect(now, multicast.ServerConfig{EPD: profile.ServerEPD(url), Addrs: []netip.AddrPort{server}, URL: url, App: "live"}); err != nil {
			g.t.Error(err)
			return
		}
		group, err := n.Join(now, multicast.JoinConfig{Spec: g.spec, Ring: overlay.DefaultRingParams(), Params: params, Extensions: true})
		if err != nil {
			g.t.Error(err)
			return
		}
		if i > 1 {
			group.Engine().Play(now, streamName, multicast.PlayOptions{OmitBody: true})
			return
		}
		g.publish(now, driver, group)
	})
}

// publish writes what the model's source writes, each message at its time.
func (g *realGroup) publish(now reliability.Time, driver *vnet.Driver, group *multicast.Group) {
	key, err := group.Engine().Publish(now, streamName, multicast.PublishOptions{})
	if err != nil {
		g.t.Error(err)
		return
	}
	g.model.now = now
	g.model.startSource(func(m packager.Message) {
		at := g.model.now
		g.net.At(at, func(reliability.Time) {
			driver.Do(func(now reliability.Time) {
				if err := group.Engine().Write(now, key, m); err != nil {
					g.t.Error(err)
				}
			})
		})
	})
	g.model.Run(g.sc.Total())
}

func (g *realGroup) handOver(now reliability.Time, m *packager.Message) {
	l := &g.model.ledger.media
	i, ok := l.index(m)
	if !ok {
		g.t.Fatalf("a message of time %d was handed over that nobody wrote", m.Timestamp)
	}
	if l.messages[i].at >= g.from && now.Sub(l.messages[i].at) <= g.sc.Window {
		g.delay.Add(now.Sub(l.messages[i].at))
	}
}

// playReal runs the scenario with real nodes.
func playReal(t *testing.T, sc *Scenario) *realGroup {
	t.Helper()
	g := &realGroup{t: t, sc: sc, net: vnet.New(sc.Seed), model: New(sc, nil), from: reliability.Start.Add(sc.Ramp + sc.Settle)}
	var err error
	if g.spec, err = group(); err != nil {
		t.Fatal(err)
	}
	server := netip.MustParseAddrPort("198.51.100.1:1935")
	g.add(0, server, 1e9)
	g.member(1, server, sc.SourceUpload*sc.Rate/8)
	chance := stream(sc.Seed, "ramp", 0)
	for i, u := range uploads(stream(sc.Seed, "uploads", 0), sc.Upload, sc.Nodes) {
		upload := u * sc.uploadScale() * sc.Rate / 8
		g.net.After(between(chance, 0, sc.Ramp), func(reliability.Time) { g.member(i+2, server, upload) })
	}
	g.net.Run(sc.Total())
	return g
}

// The model of the transport and the real one should give a stream the same
// delay: p50 and p99 within 15 % of each other. The model is quicker than that,
// which the test says without failing; it fails beyond a factor of two.
func TestModelAgreesWithTransport(t *testing.T) {
	const nodes, within, broken = 40, 0.15, 2
	sc := agreeScenario(t, nodes, 1)
	s, m := play(t, sc)
	real := playReal(t, sc)
	all := s.ledger.media.all.Count()
	t.Logf("%d members, model: %d messages, delivery %.4f, egress %.2f; real: %d messages", nodes, all, m["delivery"], m["egress_mean"], real.delay.Count())
	if real.delay.Count() < all*9/10 {
		t.Errorf("real nodes handed %d messages over, want about %d", real.delay.Count(), all)
	}
	for _, q := range []float64{0.5, 0.99} {
		a, b := s.ledger.media.all.Quantile(q), real.delay.Quantile(q)
		ratio := a.Seconds() / b.Seconds()
		t.Logf("p%v: model %v, real %v, ratio %.3f, wanted within %v of 1: %v", 100*q, a, b, ratio, within, math.Abs(ratio-1) <= within)
		if ratio < 1.0/broken || ratio > broken {
			t.Errorf("p%v of the model is %.3f times that of the transport", 100*q, ratio)
		}
	}
}
