package swarm

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// media runs a stream through the group: the scenarios steady, join, flash and
// overload, and the parts of others.
func (r *run) media() error {
	s, err := r.playMedia(r.sc)
	if err != nil {
		return err
	}
	r.mediaFigures(s, r.report.Metrics)
	r.mediaPictures(s)
	r.groupPictures(s)
	r.finish(s)
	return nil
}

// playMedia lets the members join, the stream begin and the time pass.
func (r *run) playMedia(sc *Scenario) (*Sim, error) {
	spec, err := group()
	if err != nil {
		return nil, err
	}
	s := r.build(sc, memberMaker(spec))
	s.ledger.media.windowSize, s.ledger.media.margin = sc.Window, sc.Margin
	s.launch()
	s.After(0, func() { s.publish() })
	total := float64(sc.Total())
	lead := sc.Ramp + sc.Settle
	if sc.Settle == 0 {
		lead = 0 // the joining itself is measured
	}
	if lead > 0 {
		if err := r.pass(s, lead, float64(lead)/total, "members join"); err != nil {
			return nil, err
		}
	}
	s.ledger.begin()
	s.schedule(sc.Faults)
	rest := sc.Total() - lead
	return s, r.pass(s, rest, float64(rest)/total, "measuring")
}

// views returns what every member that took part has received.
func (s *Sim) views() []*view {
	list := slices.Clone(s.ledger.viewed)
	for _, n := range s.nodes {
		if n.Core != nil && n.View != nil {
			n.View.judge(s.now)
			list = append(list, n.View)
		}
	}
	return list
}

// mediaFigures takes the figures of a stream from the ledger.
func (r *run) mediaFigures(s *Sim, m Metrics) {
	l := &s.ledger
	views := s.views()
	m["delivery"], m["delivery_worst_1pct"] = deliveryOf(views)
	m["audio_delivery"], _ = deliveryOf(views, reliability.ClassAudio)
	m["keyframe_delivery"], _ = deliveryOf(views, reliability.ClassKey)
	m["delay_p50_s"] = l.media.all.Quantile(0.5).Seconds()
	m["delay_p99_s"] = l.media.all.Quantile(0.99).Seconds()
	m["delay_p999_s"] = l.media.all.Quantile(0.999).Seconds()
	if useful := float64(l.useful); useful > 0 {
		m["control_share"] = float64(l.control()) / useful
		m["duplicate_share"] = float64(l.duplicate) / useful
		m["framing_share"] = float64(l.bytes[bytesFraming]) / useful
	}
	m["egress_mean"], m["egress_max_1s"] = l.egressOver(s.sc.Rate / 8)
	r.joinFigures(s, views, m)
	degrees := s.Degrees()
	m["degree_mean"], m["degree_max"] = degrees.Mean(), float64(degrees.Max())
	if len(s.truth.members) <= oracleMost {
		p99, reached := newOracle(s).p99(s)
		m["oracle_p99_s"] = p99.Seconds()
		if reached < 1 {
			r.report.note("The oracle's trees reach %s of the pairs of members and slices over the links that there are; its delay is that of these.", FormatMetric("delivery", reached))
		}
	}
}

// oracleMost is for how many members the oracle builds its trees.
const oracleMost = 20_000

// joinFigures takes the times to the first playable frame, those of members
// who waited in vain included.
func (r *run) joinFigures(s *Sim, views []*view, m Metrics) {
	joins := &s.ledger.joins
	inVain := 0
	for _, v := range views {
		n := v.node
		end := s.now
		if n.Gone != 0 {
			end = n.Gone
		}
		const patience = 5 * time.Second
		if v.first < 0 && n.Born != 0 && n.Born >= s.ledger.begun && end.Sub(n.Born) > patience {
			joins.times.Add(time.Hour)
			inVain++
		}
	}
	if joins.times.Count() > 0 {
		m["join_p50_s"] = joins.times.Quantile(0.5).Seconds()
		m["join_p99_s"] = joins.times.Quantile(0.99).Seconds()
	}
	if inVain > 0 {
		r.report.note("%d newcomers of %d had nothing to play 5 s after their start; they count as an hour.", inVain, joins.times.Count())
	}
}

// deliveryOf returns the share of due messages that were delivered in time,
// over all members, and for the worst hundredth of them.
func deliveryOf(views []*view, classes ...reliability.Class) (all, worst float64) {
	type share struct{ delivered, due uint64 }
	var list []share
	var sum share
	for _, v := range views {
		delivered, due := v.share(classes...)
		if due == 0 {
			continue
		}
		list = append(list, share{delivered, due})
		sum.delivered += delivered
		sum.due += due
	}
	if sum.due == 0 {
		return 0, 0
	}
	slices.SortStableFunc(list, func(a, b share) int {
		return cmp.Compare(float64(a.delivered)/float64(a.due), float64(b.delivered)/float64(b.due))
	})
	n := (len(list) + 99) / 100
	for _, x := range list[:n] {
		worst += float64(x.delivered) / float64(x.due) / float64(n)
	}
	return float64(sum.delivered) / float64(sum.due), worst
}

// egressOver returns what the publisher sends over the stream's bytes a second:
// the mean and the worst whole second.
func (l *ledger) egressOver(rate float64) (mean, worst float64) {
	whole := int(l.sim.now.Sub(l.begun) / time.Second)
	if whole == 0 {
		return 0, 0
	}
	for i, b := range l.egress {
		if i >= whole {
			break
		}
		mean += float64(b) / rate / float64(whole)
		worst = max(worst, float64(b)/rate)
	}
	return mean, worst
}
