package controller

import (
	"slices"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// GrowTopics adds queues to topics, each for itself. Its result is *GrowTopicsResult.
type GrowTopics struct {
	Topics       []Growth
	ValidateOnly bool
}

// Growth says how many queues a topic shall have.
type Growth struct {
	Name     string // or the alias
	Queues   int32  // in all, not in addition
	Assigned bool   // the client wants to place them by hand, which is refused
}

// GrowTopicsResult has one answer per topic, in order.
type GrowTopicsResult struct{ Topics []Outcome }

// Outcome is what became of the part of a command that is about one topic or group.
type Outcome struct {
	Name string
	Err  error
}

// Kind is the command's number.
func (*GrowTopics) Kind() Kind { return KindGrowTopics }

func (c *GrowTopics) encode(w *enc.Writer) {
	w.Bool(c.ValidateOnly)
	w.Uint(uint64(len(c.Topics)))
	for _, t := range c.Topics {
		w.String(t.Name)
		w.Int(int64(t.Queues))
		w.Bool(t.Assigned)
	}
}

func (c *GrowTopics) decode(r *enc.Reader) {
	c.ValidateOnly = r.Bool()
	for range r.Count(MaxTopicsPerCommand) {
		c.Topics = append(c.Topics, Growth{Name: r.String(maxTextBytes), Queues: r.Int32(), Assigned: r.Bool()})
	}
}

func (c *GrowTopics) decide(d *draft) any {
	result := &GrowTopicsResult{Topics: make([]Outcome, len(c.Topics))}
	twice := repeated(c.Topics, func(g Growth) string { return g.Name })
	budget := MaxQueuesPerCommand
	for i, g := range c.Topics {
		answer := &result.Topics[i]
		answer.Name = g.Name
		if twice[g.Name] {
			answer.Err = refuse(ErrDuplicateTopic, "topic %s stands twice in one request", quoted(g.Name))
			continue
		}
		grown, added, err := g.plan(d.img, budget)
		if answer.Err = err; err != nil {
			continue
		}
		budget -= added
		if !c.ValidateOnly {
			d.put(grown)
		}
	}
	return result
}

// plan makes the grown topic's record and says how many queues it adds.
func (g *Growth) plan(img *image.Image, budget int) (*image.Topic, int, error) {
	t, err := find(img, TopicRef{Name: g.Name})
	if err != nil {
		return nil, 0, err
	}
	if g.Assigned {
		return nil, 0, refuse(ErrManualAssignment, "topic %q: a shard keeps the replicas of all its queues, so partitions are placed by the broker",
			g.Name)
	}
	have, added := len(t.Queues), int(g.Queues)-len(t.Queues)
	switch {
	case added == 0:
		return nil, 0, refuse(ErrInvalidQueues, "topic %q: its number of partitions is %d already", g.Name, have)
	case added < 0:
		return nil, 0, refuse(ErrInvalidQueues, "topic %q: its number of partitions is %d and can't fall to %d", g.Name, have, g.Queues)
	case g.Queues > image.MaxQueues:
		return nil, 0, refuse(ErrInvalidQueues, "topic %q: %d partitions, a topic may have %d", g.Name, g.Queues, image.MaxQueues)
	case added > budget:
		return nil, 0, refuse(ErrTooManyQueues, "topic %q: one request may add %d partitions in all; send several",
			g.Name, MaxQueuesPerCommand)
	}
	place := placeMore(img, t)
	if place == nil {
		return nil, 0, refuse(ErrNoShards, "topic %q: the cluster has no shard to put its partitions on", g.Name)
	}
	next := *t
	next.Queues = place.next(slices.Clip(t.Queues), added)
	return &next, added, nil
}
