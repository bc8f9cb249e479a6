package progress

import "slices"

// Later gathers commits that nobody waits for. RocketMQ clients commit every queue every few seconds, changed or not, and
// again with each pull: of all these only the newest that changes something is worth storing. It is for one goroutine.
type Later struct {
	limit   int
	pending map[Key]Late
}

// Late is a commit that waits.
type Late struct {
	Key
	Item
	Rewind bool
}

// NewLater returns an empty one that wants to be emptied when it holds limit commits.
func NewLater(limit int) *Later { return &Later{limit: limit, pending: map[Key]Late{}} }

// Put takes a commit in place of an earlier one for the same key, unless that would lower the offset without being marked as a
// rewind. It says whether it is time to Take.
func (l *Later) Put(c Late) bool {
	if old, ok := l.pending[c.Key]; ok {
		if c.Offset < old.Offset && !c.Rewind {
			return len(l.pending) >= l.limit
		}
		c.Rewind = c.Rewind || old.Rewind
	}
	l.pending[c.Key] = c
	return len(l.pending) >= l.limit
}

// Drop forgets a commit that waits.
func (l *Later) Drop(k Key) { delete(l.pending, k) }

// Len is the number of commits that wait.
func (l *Later) Len() int { return len(l.pending) }

// Take returns, in order of keys, the commits that would change what stored knows, and keeps none.
func (l *Later) Take(stored func(Key) (Item, bool)) []Late {
	var out []Late
	for k, c := range l.pending {
		if old, ok := stored(k); ok && (c.Item.sameAs(old) || c.Offset < old.Offset && !c.Rewind) {
			continue
		}
		out = append(out, c)
	}
	clear(l.pending)
	slices.SortFunc(out, func(a, b Late) int { return a.Key.Compare(b.Key) })
	return out
}
