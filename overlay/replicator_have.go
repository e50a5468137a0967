package overlay

import (
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// greet tells a new neighbor what this node has.
func (r *Replicator) greet(now reliability.Time, l *objectLink) {
	if r.p.NoUpload || r.have.empty() {
		return
	}
	open := r.have
	if !r.hidden.empty() {
		open = indexSet{}
		r.have.ranges(func(objects owire.Range) bool {
			open.add(objects)
			return true
		})
		r.hidden.ranges(func(objects owire.Range) bool {
			open.remove(objects)
			return true
		})
	}
	r.sendHave(l, owire.HaveReplace, &open)
	r.showMore(now)
}

// sendHave sends a set to a neighbor, in as many messages as it takes.
func (r *Replicator) sendHave(l *objectLink, kind owire.HaveKind, set *indexSet) {
	ranges := r.ranges[:0]
	flush := func() {
		r.send(l, FlowReplication, owire.AppendHave(nil, kind, ranges))
		ranges = ranges[:0]
		if kind == owire.HaveReplace {
			kind = owire.HaveAdd
		}
	}
	set.ranges(func(objects owire.Range) bool {
		objects.Last = min(objects.Last, owire.MaxIndex)
		if ranges = append(ranges, objects); len(ranges) == owire.MaxRanges {
			flush()
		}
		return true
	})
	if len(ranges) > 0 {
		flush()
	}
	r.ranges = ranges[:0]
}

// tell tells all neighbors what this node has and no longer has.
func (r *Replicator) tell() {
	r.tellAt = reliability.Never
	for _, l := range r.links {
		r.sendHave(l, owire.HaveRemove, &r.removed)
		r.sendHave(l, owire.HaveAdd, &r.added)
	}
	r.added, r.removed = indexSet{}, indexSet{}
}
