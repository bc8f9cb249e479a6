package group

import (
	"errors"
	"slices"
	"time"

	"github.com/duolog/duolog/rocketcore/message"
)

// OffsetDelete names offsets that shall be deleted, by topic.
type OffsetDelete struct {
	Topic  string // as Kafka clients know it
	Queues []message.Queue
}

// DeleteOffsets deletes a group's offsets in some queues. The answer has one error for each topic, or one for all.
func (h *Host) DeleteOffsets(group string, topics []OffsetDelete) Answer[OffsetsDeleted] {
	a := newAnswer[OffsetsDeleted]()
	absent := h.with(func(l *life) {
		out := OffsetsDeleted{Topics: make([]error, len(topics))}
		if out.Err = l.machine.CheckOffsetDelete(group, h.hasOffsets(l, group)); out.Err != nil {
			a.c <- out
			return
		}
		i := item{group: group, done: func(err error) { out.Topics = orAll(out.Topics, err); a.c <- out }}
		for n, t := range topics {
			if out.Topics[n] = l.machine.CheckTopicDelete(group, t.Topic); out.Topics[n] != nil {
				continue
			}
			for _, q := range t.Queues {
				i.steps = append(i.steps, ForgetProgress{Group: group, Queue: q})
			}
		}
		h.enqueue(l, i)
	})
	if absent != nil {
		a.c <- OffsetsDeleted{Err: absent}
	}
	return a
}

// OffsetsDeleted answers DeleteOffsets.
type OffsetsDeleted struct {
	Err    error
	Topics []error
}

// retain forgets offsets whose time is over, those of topics that are gone, and groups of which nothing is left.
func (h *Host) retain() {
	var names []string
	err := h.with(func(l *life) {
		for _, g := range l.machine.sorted() {
			names = append(names, g.name)
		}
	})
	if err != nil {
		return
	}
	names = append(names, h.cfg.Keeper.Groups()...)
	slices.Sort(names)
	forgotten := 0
	for _, name := range slices.Compact(names) {
		forgotten += h.retainGroup(name)
	}
	if forgotten > 0 {
		h.log.Info("offsets were forgotten because their time is over or their topic gone", "offsets", forgotten)
	}
}

func (h *Host) retainGroup(name string) (forgotten int) {
	progress := h.cfg.Keeper.GroupProgress(name)
	offsets := make([]Offset, len(progress))
	for i, p := range progress {
		if topic, ok := h.cfg.Topic(p.Queue.Topic); ok {
			offsets[i].Topic = topic
		}
		offsets[i].Time, offsets[i].Expires = p.CommitTime, p.Expires
	}
	_ = h.decide(func(l *life) Effects {
		if l.uncertain[name] > 0 {
			return Effects{} // the next time
		}
		now := h.cfg.Now()
		gone := l.machine.Expired(now, name, offsets)
		gone = append(gone, h.orphans(now, offsets)...)
		forgotten = len(gone)
		if len(gone) > 0 {
			h.enqueue(l, forget(name, progress, gone))
			h.counters.expired.Add(float64(len(gone)))
		}
		if len(gone) < len(progress) {
			return Effects{}
		}
		effects, _ := l.machine.Retire(now, name)
		return effects
	})
	return forgotten
}

// orphans are offsets of topics that are gone. Nobody can ask for them, so there is no hurry; but a topic that is not known
// here may be too new for what this node knows of the cluster.
func (h *Host) orphans(now time.Time, offsets []Offset) (gone []int) {
	for i, o := range offsets {
		if o.Topic == "" && now.UnixMilli()-o.Time >= h.opts.OffsetRetention.Milliseconds() {
			gone = append(gone, i)
		}
	}
	return gone
}

// forget forgets offsets unless they have changed since they were looked at.
func forget(group string, progress []Progress, which []int) item {
	i := item{group: group, done: func(error) {}}
	for _, n := range which {
		i.steps = append(i.steps, ForgetProgress{Group: group, Queue: progress[n].Queue, Time: progress[n].CommitTime})
	}
	return i
}

// List lists the groups in the given states, all if none are given: those that have members or had, and those that have
// nothing but offsets, which count as empty.
func (h *Host) List(states []State) ([]Listed, error) {
	var out []Listed
	if err := h.with(func(l *life) {
		out = l.machine.List(states)
		if len(states) > 0 && !slices.Contains(states, Empty) {
			return
		}
		for _, name := range h.cfg.Keeper.Groups() {
			if !l.machine.Knows(name) {
				out = append(out, Listed{Group: name, State: Empty})
			}
		}
	}); err != nil {
		return nil, err
	}
	return out, nil
}

// Describe tells of a group; ErrUnknownGroup with a description of a dead one, if there is none.
func (h *Host) Describe(name string) (Described, error) {
	var d Described
	var err error
	absent := h.with(func(l *life) {
		var ok bool
		if d, ok = l.machine.Describe(name); ok {
			return
		}
		if h.hasOffsets(l, name) {
			d.State = Empty
		} else {
			err = ErrUnknownGroup
		}
	})
	return d, errors.Join(absent, err)
}
