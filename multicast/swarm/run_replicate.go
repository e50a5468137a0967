package swarm

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// replicate has one member bring many objects into the group, which all others
// want, and measures the time until all have all.
func (r *run) replicate() error {
	if r.sc.Objects < 1 || r.sc.ObjectSize < 8 {
		return fmt.Errorf("swarm: there is nothing to replicate: %d objects of %d bytes", r.sc.Objects, r.sc.ObjectSize)
	}
	bound := r.fluidBound()
	lead := r.sc.Ramp + r.sc.Settle
	// The bar assumes a little more than the bound.
	expected := time.Duration(1.2 * float64(bound))
	total := float64(lead + expected)
	s, err := r.warmUp(float64(lead) / total)
	if err != nil {
		return err
	}
	s.ledger.begin()
	s.schedule(r.sc.Faults)
	c := r.handOut(s)
	for c.left > 0 && s.now.Sub(s.ledger.begun) < r.sc.Duration {
		before := r.done
		if err := r.pass(s, time.Second, float64(time.Second)/total, "replicating"); err != nil {
			return err
		}
		r.done = min(max(r.done, before), 0.99)
	}
	r.replicateFigures(s, c, bound)
	r.groupPictures(s)
	r.finish(s)
	return nil
}

// copies is how far the members are.
type copies struct {
	has      map[*Node]int
	finished []time.Duration // when each member had all
	left     int             // members that lack something
	progress []uint64        // objects that have come, for each second
}

// handOut gives the objects to the publisher and has all others want them.
func (r *run) handOut(s *Sim) *copies {
	c := &copies{has: make(map[*Node]int)}
	all := overlay.ObjectRange{First: 0, Last: uint64(r.sc.Objects - 1)}
	s.apps.object = objectValue(r.sc.ObjectSize)
	s.apps.came = func(n *Node) {
		c.has[n]++
		second := int(s.now.Sub(s.ledger.begun) / time.Second)
		for second >= len(c.progress) {
			c.progress = append(c.progress, 0)
		}
		c.progress[second]++
		if c.has[n] == r.sc.Objects {
			c.finished = append(c.finished, s.now.Sub(s.ledger.begun))
			c.left--
		}
	}
	for _, n := range s.nodes {
		if n.Core == nil {
			continue
		}
		if n != s.ledger.source {
			c.left++
		}
		n.Do(func(now reliability.Time, core Core) {
			objects := core.(*appsCore).replicator
			var err error
			if n == s.ledger.source {
				err = objects.AddHave(now, all, true)
			} else {
				err = objects.AddWant(now, all)
			}
			if err != nil {
				s.fail("objects are wanted", "node %d: %v", n.index, err)
			}
		})
	}
	return c
}

// objectValue is an object: a long AMF0 string.
func objectValue(size int) []byte {
	value := append([]byte{0x0c, 0, 0, 0, 0}, make([]byte, size)...)
	binary.BigEndian.PutUint32(value[1:], uint32(size))
	for i := range size {
		value[5+i] = 'a' + byte(i%26)
	}
	return value
}

// fluidBound is the least time that the uploads allow: all of the data leave
// the seed once, and every byte that a member gets has left somebody.
func (r *run) fluidBound() time.Duration {
	data := float64(r.sc.Objects) * float64(r.sc.ObjectSize)
	seed := r.sc.SourceUpload * r.sc.Rate / 8
	sum := seed + float64(r.sc.Nodes)*meanUpload(r.sc.Upload)*r.sc.uploadScale()*r.sc.Rate/8
	return time.Duration(math.Max(data/seed, float64(r.sc.Nodes)*data/sum) * float64(time.Second))
}

func (r *run) replicateFigures(s *Sim, c *copies, bound time.Duration) {
	m := r.report.Metrics
	m["replicate_ratio"] = never
	slices.Sort(c.finished)
	if c.left == 0 && len(c.finished) > 0 {
		last := c.finished[len(c.finished)-1]
		m["replicate_ratio"] = last.Seconds() / bound.Seconds()
		r.report.note("All %d members had all %d objects after %.1f s, half of the members after %.1f s; the fluid bound is %.1f s.",
			len(c.finished), r.sc.Objects, last.Seconds(), c.finished[len(c.finished)/2].Seconds(), bound.Seconds())
	} else {
		r.report.note("%d members lack something after %v; the fluid bound is %v.", c.left, r.sc.Duration, bound.Round(time.Second))
	}
	data := float64(r.sc.Objects) * float64(r.sc.ObjectSize)
	m["egress_mean"] = float64(s.apps.seeded) / data
	r.report.note("The seed sent %.3f of the data.", m["egress_mean"])
	var x, y []float64
	for i, n := range c.progress {
		x, y = append(x, float64(i)), append(y, float64(n)*float64(r.sc.ObjectSize)*8/1e6)
	}
	r.report.draw("Throughput", "Objects that come, of all members together.", &plot.Chart{
		Title: "throughput", X: "seconds", Y: "Mbit/s", Area: true, Lines: []plot.Line{{Name: "objects", X: x, Y: y}},
		Marks: []plot.Mark{{Name: "fluid bound", At: bound.Seconds(), Vertical: true}},
	})
	var fx, fy []float64
	for i, d := range c.finished {
		fx, fy = append(fx, d.Seconds()), append(fy, float64(i+1))
	}
	r.report.draw("Members that have all", "How many by when.", &plot.Chart{
		Title: "finished", X: "seconds", Y: "members", Lines: []plot.Line{{Name: "finished", X: fx, Y: fy}},
		Marks: []plot.Mark{{Name: "fluid bound", At: bound.Seconds(), Vertical: true}},
	})
}
