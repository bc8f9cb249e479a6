package progress

import (
	"slices"
	"testing"

	"github.com/duolog/duolog/rocketcore/message"
)

func queue(topic byte, number int32) message.Queue {
	return message.Queue{Topic: message.TopicID{topic}, Number: number}
}

func TestCommitNeverGoesBackUnasked(t *testing.T) {
	table, k := New(), Key{"g", queue(1, 0)}
	for _, c := range []struct {
		offset message.Offset
		rewind bool
		stored bool
		want   message.Offset
	}{
		{5, false, true, 5}, {5, false, true, 5}, {4, false, false, 5}, {9, false, true, 9}, {2, true, true, 2}, {3, false, true, 3},
		{0, false, false, 3},
	} {
		if stored := table.Commit(k, Item{Offset: c.offset}, c.rewind); stored != c.stored {
			t.Errorf("commit %d, rewind %t: stored %t", c.offset, c.rewind, stored)
		}
		if got, _ := table.Get(k); got.Offset != c.want {
			t.Errorf("commit %d, rewind %t: progress is %d", c.offset, c.rewind, got.Offset)
		}
	}
}

func TestTableQueries(t *testing.T) {
	table := New()
	for _, k := range []Key{{"b", queue(2, 1)}, {"a", queue(1, 3)}, {"b", queue(1, 7)}, {"b", queue(2, 0)}} {
		table.Commit(k, Item{Offset: 1, LeaderEpoch: -1, Metadata: "m"}, false)
	}
	if got := table.Groups(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("groups %v", got)
	}
	want := []message.Queue{queue(1, 7), queue(2, 0), queue(2, 1)}
	if got := table.Queues("b"); !slices.Equal(got, want) {
		t.Errorf("queues %v", got)
	}
	if !table.Delete(Key{"a", queue(1, 3)}) || table.Delete(Key{"a", queue(1, 3)}) {
		t.Error("the first delete finds something, the second does not")
	}
	if got := table.Groups(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("groups %v", got)
	}
}

func TestLater(t *testing.T) {
	table := New()
	a, b, c := Key{"g", queue(1, 0)}, Key{"g", queue(1, 1)}, Key{"h", queue(1, 0)}
	table.Commit(a, Item{Offset: 5, Time: 1}, false)
	table.Commit(b, Item{Offset: 5, Time: 1}, false)
	l := NewLater(3)
	put := func(k Key, o message.Offset, rewind bool) bool {
		return l.Put(Late{k, Item{Offset: o, Time: 2}, rewind})
	}
	take := func() (got []Late) { return l.Take(table.Get) }

	put(a, 5, false) // unchanged
	put(b, 4, false) // back, unasked
	if got := take(); len(got) != 0 {
		t.Errorf("nothing changed, took %v", got)
	}
	put(a, 7, false)
	put(a, 6, false)
	put(b, 2, true)
	put(b, 3, false)
	if !put(c, 1, false) {
		t.Error("three commits are the limit")
	}
	got := take()
	want := []Late{{a, Item{Offset: 7, Time: 2}, false}, {b, Item{Offset: 3, Time: 2}, true}, {c, Item{Offset: 1, Time: 2}, false}}
	if !slices.Equal(got, want) || l.Len() != 0 {
		t.Errorf("took %v, want %v", got, want)
	}
}

func FuzzRestore(f *testing.F) {
	table, k := New(), Key{"g", queue(1, 0)}
	table.Commit(k, Item{Offset: 1, LeaderEpoch: 2, Time: 3, Expires: -1, Metadata: "meta"}, false)
	f.Add(table.Encode(k))
	f.Fuzz(func(t *testing.T, form []byte) {
		table := New()
		if table.Restore(k, form) == nil && string(table.Encode(k)) != string(form) {
			t.Fatalf("%x became %x", form, table.Encode(k))
		}
	})
}
