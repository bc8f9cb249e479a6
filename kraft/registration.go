package kraft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// ErrNotRegistered says that Register was not called, or failed.
var ErrNotRegistered = errors.New("the node is not registered")

// presence is whether clients should see this node.
type presence uint8

const (
	unregistered presence = iota
	hidden
	shown
)

// Register makes this start of the node known, fenced, with the addresses at which it is reached, and starts its
// heartbeats. Called again it replaces the addresses.
//
// The identity file names the new incarnation before the quorum does, so that whatever a crash leaves of the two, the
// image's incarnation is one of the two in the file.
func (n *Node) Register(ctx context.Context, listeners []image.Listener) error {
	ctx, done, err := n.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	identity, presence := n.standing()
	if presence == unregistered {
		if identity, err = n.newIncarnation(identity); err != nil {
			return err
		}
	}
	_, err = n.Propose(ctx, &controller.RegisterNode{
		ClusterID: identity.ClusterID, Node: n.cfg.NodeID, Directory: identity.Directory,
		Incarnation: identity.Incarnation, Previous: identity.Previous, Listeners: listeners,
	})
	if err != nil {
		return fmt.Errorf("registering node %d: %w", n.cfg.NodeID, err)
	}
	if presence == unregistered {
		n.setStanding(identity, hidden)
		n.beating.Go(n.beat)
	}
	return nil
}

// newIncarnation writes a new one into the identity file.
func (n *Node) newIncarnation(id Identity) (Identity, error) {
	id.Previous = image.UUID{}
	if known, ok := n.Image().Node(n.cfg.NodeID); ok {
		id.Previous = known.Incarnation
	}
	var err error
	if id.Incarnation, err = newID(n.cfg.Rand); err != nil {
		return id, err
	}
	return id, writeIdentity(n.cfg.FS, n.cfg.Dir, id)
}

// Show lets clients see the node: it serves. The node must be registered.
func (n *Node) Show(ctx context.Context) error { return n.setPresence(ctx, shown) }

// Hide takes the node out of what clients see, before a clean stop.
func (n *Node) Hide(ctx context.Context) error { return n.setPresence(ctx, hidden) }

func (n *Node) setPresence(ctx context.Context, wanted presence) error {
	ctx, done, err := n.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	identity, presence := n.standing()
	if presence == unregistered {
		return ErrNotRegistered
	}
	n.setStanding(identity, wanted)
	return n.fence(ctx, identity.Incarnation, wanted == hidden)
}

// takeTurn waits until nobody else changes the registration. The context it returns ends with the node, too.
func (n *Node) takeTurn(ctx context.Context) (_ context.Context, done func(), err error) {
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	case <-n.ctx.Done():
		return nil, nil, raftlog.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(n.ctx, cancel)
	return ctx, func() {
		unhook()
		cancel()
		<-n.turn
	}, nil
}

func (n *Node) standing() (Identity, presence) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity, n.presence
}

func (n *Node) setStanding(id Identity, p presence) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.identity, n.presence = id, p
}

func (n *Node) fence(ctx context.Context, incarnation image.UUID, fenced bool) error {
	_, err := n.Propose(ctx, &controller.FenceNode{Node: n.cfg.NodeID, Incarnation: incarnation, Fenced: fenced})
	return err
}

// beat is the node's heartbeat and, while it leads the quorum, its look at the others'. It ends with the node.
func (n *Node) beat() {
	start := time.Now()
	watch := sessions{timeout: n.cfg.Options.Session}
	watch.lead(0)
	leading := false
	ticker := time.NewTicker(n.cfg.Options.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Since(start)
		if leads := n.log.IsLeader(); leads != leading {
			if leading = leads; leads {
				watch.lead(now)
			}
		}
		if leading {
			n.mind(&watch, now)
		}
	}
}

// mind does what a heartbeat means to the quorum's leader: this node is alive, and who was not heard of is fenced. A node
// that serves and was fenced all the same, because its process stood still for a while, is shown again.
func (n *Node) mind(watch *sessions, now time.Duration) {
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Options.Session)
	defer cancel()
	identity, wanted := n.standing()
	own := identity.Incarnation
	watch.touch(n.cfg.NodeID, own, now)
	if self, ok := n.Image().Node(n.cfg.NodeID); ok && self.Fenced && wanted == shown {
		if err := n.fence(ctx, own, false); err != nil {
			n.cfg.Logger.Warn("this node can't be shown to clients", "err", err)
		}
	}
	for _, fence := range watch.lapsed(n.Image(), now) {
		n.cfg.Logger.Warn("a node is not heard of and hidden from clients", "node", fence.Node, "session", n.cfg.Options.Session)
		if _, err := n.Propose(ctx, fence); err != nil {
			n.cfg.Logger.Warn("a node can't be hidden from clients", "node", fence.Node, "err", err)
		}
	}
	if err := n.log.Compact(n.log.Status().Checkpoint); err != nil {
		n.cfg.Logger.Warn("the metadata log can't be shortened", "err", err)
	}
}
