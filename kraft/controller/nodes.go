package controller

import (
	"math"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// RegisterNode makes a start of a node known, with the addresses it listens on. The node is fenced until FenceNode lifts
// that. The same incarnation may register again to change its addresses. Its result is nil.
//
// Previous is how a copied data directory is found out. Each start registers under a new incarnation and names the one
// before, which it read in its data directory; what the image holds must be that one. Of two copies of a directory only
// the one that starts first continues the chain; the other, or the original after its copy, is refused with
// ErrCopiedDirectory. A directory that was moved continues it, whatever its path, mount or inode.
type RegisterNode struct {
	ClusterID   string
	Node        image.NodeID
	Incarnation image.UUID
	Previous    image.UUID
	Directory   image.UUID
	Listeners   []image.Listener
}

// Kind is the command's number.
func (*RegisterNode) Kind() Kind { return KindRegisterNode }

func (c *RegisterNode) encode(w *enc.Writer) {
	w.String(c.ClusterID)
	w.Int(int64(c.Node))
	w.UUID(c.Incarnation)
	w.UUID(c.Previous)
	w.UUID(c.Directory)
	w.Uint(uint64(len(c.Listeners)))
	for _, l := range c.Listeners {
		w.String(l.Name)
		w.String(l.Protocol)
		w.String(l.Host)
		w.Int(int64(l.Port))
	}
}

func (c *RegisterNode) decode(r *enc.Reader) {
	c.ClusterID = r.String(maxTextBytes)
	c.Node, c.Incarnation, c.Previous, c.Directory = decodeNodeID(r), r.UUID(), r.UUID(), r.UUID()
	for range r.Count(image.MaxListeners) {
		c.Listeners = append(c.Listeners, image.Listener{
			Name: r.String(image.MaxNameBytes), Protocol: r.String(image.MaxNameBytes), Host: r.String(image.MaxNameBytes),
			Port: int(r.Int(0, math.MaxUint16)),
		})
	}
}

func (c *RegisterNode) decide(d *draft) any {
	if c.ClusterID != d.img.ClusterID() {
		return refuse(ErrOtherCluster, "node %d comes from cluster %q, this is %q", c.Node, c.ClusterID, d.img.ClusterID())
	}
	if err := c.checkListeners(); err != nil {
		return err
	}
	for n := range d.img.Nodes() {
		if n.Directory == c.Directory && n.ID != c.Node {
			return refuse(ErrCopiedDirectory, "node %d comes with data directory %s, which is that of node %d: it is a copy, or node.id is wrong",
				c.Node, image.FormatUUID(c.Directory), n.ID)
		}
	}
	next := &image.Node{
		ID: c.Node, Incarnation: c.Incarnation, Directory: c.Directory, Listeners: c.Listeners, Fenced: true, Registered: d.now,
	}
	known, ok := d.img.Node(c.Node)
	if !ok {
		d.put(next)
		return nil
	}
	if known.Directory != c.Directory {
		return refuse(ErrDirectoryMismatch, "node %d is registered with data directory %s and comes with %s; give the new one another node.id",
			c.Node, image.FormatUUID(known.Directory), image.FormatUUID(c.Directory))
	}
	if known.Incarnation == c.Incarnation {
		next.Fenced, next.Registered = known.Fenced, known.Registered
		d.put(next)
		return nil
	}
	if known.Incarnation != c.Previous {
		return refuse(ErrCopiedDirectory, "node %d was started since from another copy of this data directory; start that one, or remove this one",
			c.Node)
	}
	d.put(next)
	return nil
}

func (c *RegisterNode) checkListeners() error {
	names := map[string]bool{}
	for _, l := range c.Listeners {
		switch {
		case l.Name == "" || names[l.Name]:
			return refuse(ErrInvalidRequest, "node %d: listener name %q is empty or stands twice (advertised.listeners)", c.Node, l.Name)
		case l.Host == "" || l.Host == "0.0.0.0" || l.Host == "::":
			return refuse(ErrInvalidRequest, "node %d: listener %s advertises host %q, which no client can reach (advertised.listeners)",
				c.Node, l.Name, l.Host)
		case l.Port == 0:
			return refuse(ErrInvalidRequest, "node %d: listener %s advertises port 0 (advertised.listeners)", c.Node, l.Name)
		}
		names[l.Name] = true
	}
	return nil
}

// FenceNode hides a node from clients, or shows it. It holds for one incarnation: said of an older one it is refused, so
// that a late word about a former start does no harm. Its result is nil.
type FenceNode struct {
	Node        image.NodeID
	Incarnation image.UUID
	Fenced      bool
}

// Kind is the command's number.
func (*FenceNode) Kind() Kind { return KindFenceNode }

func (c *FenceNode) encode(w *enc.Writer) {
	w.Int(int64(c.Node))
	w.UUID(c.Incarnation)
	w.Bool(c.Fenced)
}

func (c *FenceNode) decode(r *enc.Reader) {
	c.Node, c.Incarnation, c.Fenced = decodeNodeID(r), r.UUID(), r.Bool()
}

func (c *FenceNode) decide(d *draft) any {
	known, err := incarnation(d.img, c.Node, c.Incarnation)
	if err != nil {
		return err
	}
	if known.Fenced == c.Fenced {
		return nil
	}
	next := *known
	next.Fenced = c.Fenced
	d.put(&next)
	return nil
}

// incarnation finds a node that must be registered with this incarnation.
func incarnation(img *image.Image, id image.NodeID, inc image.UUID) (*image.Node, error) {
	known, ok := img.Node(id)
	if !ok {
		return nil, refuse(ErrUnknownNode, "node %d is not registered", id)
	}
	if known.Incarnation != inc {
		return nil, refuse(ErrStaleIncarnation, "node %d: a newer start of this node has registered", id)
	}
	return known, nil
}
