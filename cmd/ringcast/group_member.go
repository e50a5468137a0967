package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/config"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/sharelink"
)

// groupTarget is the group that a command is about.
type groupTarget struct {
	loaded *config.Loaded
	spec   *groupspec.Spec
	link   *sharelink.Link // nil for a bare groupspec
}

// parse reads a share link or a groupspec. What is wrong with it is said
// without repeating it: it is a secret.
func (t *groupTarget) parse(text string) error {
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "G:"):
		spec, err := groupspec.Parse(text)
		if err != nil {
			return usageError(fmt.Errorf("groupspec: %w", err))
		}
		t.spec = spec
	case !strings.Contains(text, "://"):
		return usageError(errors.New("the group is no share link (rtmfp://…) and no groupspec (G:…)"))
	default:
		link, err := sharelink.Parse(text)
		if err != nil {
			return usageError(err)
		}
		t.spec, t.link = link.Spec, link
	}
	// The settings add passwords and addresses, and check them.
	t.loaded.Group.Spec = t.spec.String()
	spec, err := ownGroup(t.loaded, defaultStream)
	if err == nil {
		t.spec = spec
	}
	return err
}

// memberOptions say how a command takes part in a group.
type memberOptions struct {
	// groupFirst says that the first argument can be nothing but the group, and
	// arguments, if set, checks those after it.
	groupFirst bool
	arguments  func(args []string) error
	// needs names what the group must allow: "posting", "routing", "object
	// replication".
	needs string
	// strategy is in which order objects are fetched; "" is the default.
	strategy overlay.ReplicationStrategy
}

// member is a node that has joined one group.
type member struct {
	inv    *invocation
	loaded *config.Loaded
	log    *slog.Logger
	net    *network
	group  *peernode.Group

	stop    context.CancelFunc
	running sync.WaitGroup
	failed  error
	closed  sync.Once
}

// openMember binds a node's sockets and joins the group.
func openMember(ctx context.Context, inv *invocation, t *groupTarget, o memberOptions) (*member, error) {
	if err := checkNeeds(t.spec, o.needs); err != nil {
		return nil, err
	}
	log, _ := newLogger(inv.stderr, t.loaded.Log)
	m := &member{inv: inv, loaded: t.loaded, log: log}
	var err error
	if m.net, err = openNetwork(ctx, t.loaded, networkOptions{}, log.With("component", "rtmfp")); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.stop = stop
	m.running.Go(func() { m.failed = m.net.node.Run(running) })
	join := m.net.joinOptions(m.introducers(ctx, t))
	join.Replication = m.replication(o)
	if m.group, err = m.net.node.Join(ctx, t.spec, join); err != nil {
		_ = m.close()
		return nil, joinError(err)
	}
	return m, nil
}

// checkNeeds refuses a group that does not allow what the command does.
func checkNeeds(spec *groupspec.Spec, needs string) error {
	s := spec.Settings()
	allowed := map[string]bool{"": true, "posting": s.Posting, "routing": s.Routing, "object replication": s.ObjectReplication}[needs]
	switch {
	case !allowed:
		return usageError(fmt.Errorf("the group does not allow %s: its groupspec leaves it out (see `ringcast groupspec show`)", needs))
	case s.PeerToPeerDisabled:
		return usageError(errors.New("the members of this group have no links with each other"))
	case needs == "posting" && !s.MayPost():
		return &statusError{exitAuth, errors.New("posting in this group needs its password: set group.postingPassword (--group-posting-password, RINGCAST_GROUP_POSTING_PASSWORD_FILE)")}
	}
	return nil
}

// introducers lists the meeting points of the link and of the settings.
func (m *member) introducers(ctx context.Context, t *groupTarget) []peernode.Introducer {
	var at []peernode.Introducer
	if t.link != nil {
		at = m.net.meetingPoints(ctx, t.link)
	}
	for _, addr := range m.loaded.Introducers {
		at = append(at, peernode.Introducer{Addr: addr})
	}
	return at
}

// replication is how the node shares objects: within its upload limit.
func (m *member) replication(o memberOptions) *overlay.ReplicationParams {
	p := overlay.DefaultReplicationParams()
	if o.strategy != "" {
		p.Strategy = o.strategy
	}
	p.Rate = float64(uploadLimit(m.loaded.Multicast.UploadLimit))
	p.NoUpload = m.loaded.Multicast.UploadLimit == 0
	return &p
}

// close leaves the group and waits until the others have been told.
func (m *member) close() error {
	m.closed.Do(func() {
		deadline := time.AfterFunc(stopWithin, func() {
			m.log.Error("stop hit its deadline", "after", stopWithin)
			os.Exit(exitDeadline)
		})
		defer deadline.Stop()
		m.stop()
		m.running.Wait()
	})
	return m.failed
}

// limit returns a context that ends with the command's timeout.
func (m *member) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.loaded.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, m.loaded.Timeout)
}

// wait calls f, which waits for something until its context is done. If the
// timeout comes first, the error says what is missing and why that may be.
func (m *member) wait(ctx context.Context, what string, f func(ctx context.Context) error) error {
	limited, cancel := m.limit(ctx)
	defer cancel()
	err := f(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return m.missing(what)
	}
	return err
}

// missing is the error for what has not come within the timeout.
func (m *member) missing(what string) error {
	return &statusError{exitNoStream, fmt.Errorf("no %s within %v: %s", what, m.loaded.Timeout, m.diagnosis())}
}

// waitNeighbor waits for another member.
func (m *member) waitNeighbor(ctx context.Context) error {
	return m.wait(ctx, "other member", m.group.WaitNeighbor)
}

// waitReady waits until messages find their way.
func (m *member) waitReady(ctx context.Context) error {
	return m.wait(ctx, "other member", m.group.WaitReady)
}

// diagnosis says why nobody may be there.
func (m *member) diagnosis() string {
	settings := m.group.Spec().Settings()
	introducers := m.net.node.Introducers()
	for _, i := range introducers {
		if !i.Up {
			return fmt.Sprintf("the introducer %s does not answer: is it running, and does UDP get through?", i.Addr)
		}
	}
	switch {
	case len(m.group.Neighbors()) > 0:
		return "it has not come from the " + countOf(len(m.group.Neighbors()), "neighbor") + " that this member has"
	case len(introducers) == 0 && len(settings.Addresses)+len(settings.BootstrapPeers) == 0:
		return "there is no introducer to find members by: name one with --introducer"
	case len(introducers) == 0:
		return "nobody has answered on the local network"
	}
	return "the introducer knows of nobody else in the group"
}

// say prints a line for people on standard error.
func (m *member) say(format string, args ...any) {
	_, _ = io.WriteString(m.inv.stderr, fmt.Sprintf(format, args...)+"\n")
}
