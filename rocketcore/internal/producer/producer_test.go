package producer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// step is one batch offered, or one expiry if count is 0.
type step struct {
	epoch int16
	first int32
	count int
	want  Outcome
	base  int64 // expected of a duplicate
}

const top = math.MaxInt32

func TestOffer(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step // the n-th accepted batch is stored at n*100, from 0
	}{
		{"in sequence", []step{{0, 0, 3, Accepted, 0}, {0, 3, 2, Accepted, 0}, {0, 5, 1, Accepted, 0}}},
		{"unknown producer begins anywhere", []step{{0, 17, 3, Accepted, 0}, {0, 20, 1, Accepted, 0}}},
		{"gap", []step{{0, 0, 3, Accepted, 0}, {0, 4, 1, OutOfOrder, 0}, {0, 3, 1, Accepted, 0}}},
		{"older than the last, and no duplicate", []step{{0, 0, 3, Accepted, 0}, {0, 1, 2, OutOfOrder, 0}, {0, 0, 2, OutOfOrder, 0}}},
		{"duplicate of the last", []step{{0, 0, 3, Accepted, 0}, {0, 3, 2, Accepted, 0}, {0, 3, 2, Duplicate, 100}}},
		{"duplicates of all five", []step{
			{0, 0, 1, Accepted, 0}, {0, 1, 1, Accepted, 0}, {0, 2, 1, Accepted, 0}, {0, 3, 1, Accepted, 0}, {0, 4, 1, Accepted, 0},
			{0, 0, 1, Duplicate, 0}, {0, 1, 1, Duplicate, 100}, {0, 2, 1, Duplicate, 200}, {0, 3, 1, Duplicate, 300},
			{0, 4, 1, Duplicate, 400}, {0, 5, 1, Accepted, 0}, {0, 1, 1, Duplicate, 100}, {0, 0, 1, OutOfOrder, 0},
		}},
		{"same first, other length", []step{{0, 0, 3, Accepted, 0}, {0, 0, 4, OutOfOrder, 0}}},
		{"wrap between batches", []step{{0, top - 1, 2, Accepted, 0}, {0, 0, 2, Accepted, 0}, {0, 2, 1, Accepted, 0}}},
		{"wrap inside a batch", []step{
			{0, top - 1, 4, Accepted, 0}, {0, 2, 2, Accepted, 0}, {0, top - 1, 4, Duplicate, 0}, {0, top, 1, OutOfOrder, 0},
		}},
		{"wrap does not skip", []step{{0, top, 1, Accepted, 0}, {0, 1, 1, OutOfOrder, 0}, {0, 0, 1, Accepted, 0}}},
		{"older epoch", []step{{3, 0, 1, Accepted, 0}, {2, 1, 1, Fenced, 0}, {2, 0, 1, Fenced, 0}, {3, 1, 1, Accepted, 0}}},
		{"newer epoch begins at 0", []step{
			{0, 0, 1, Accepted, 0}, {1, 1, 1, OutOfOrder, 0}, {0, 1, 1, Accepted, 0}, {1, 0, 1, Accepted, 0}, {0, 2, 1, Fenced, 0},
		}},
		{"newer epoch forgets the old batches", []step{
			{0, 0, 1, Accepted, 0}, {1, 0, 1, Accepted, 0}, {1, 0, 1, Duplicate, 100}, {1, 1, 1, Accepted, 0}, {1, 0, 1, Duplicate, 100},
		}},
		{"expired", []step{{0, 0, 3, Accepted, 0}, {}, {0, 0, 3, Accepted, 0}, {}, {0, 9, 1, Accepted, 0}, {0, 8, 1, OutOfOrder, 0}}},
		{"expired, lower epoch", []step{{5, 0, 3, Accepted, 0}, {}, {4, 7, 3, Accepted, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, key, accepted := New(0), Key{7, 42}, int64(0)
			for i, s := range c.steps {
				if s.count == 0 {
					if n := table.Expire(math.MaxInt64); n != 1 {
						t.Fatalf("step %d expired %d producers", i, n)
					}
					continue
				}
				v := table.Offer(key, Batch{s.epoch, s.first, s.count}, accepted*100, int64(i), uint64(i))
				if v.Outcome != s.want || v.Outcome == Duplicate && v.Base != s.base {
					t.Fatalf("step %d %+v: got %+v", i, s, v)
				}
				if v.Outcome == Accepted {
					accepted++
				}
			}
		})
	}
}

func TestProducersAreApart(t *testing.T) {
	table := New(0)
	for i, k := range []Key{{1, 1}, {1, 2}, {2, 1}} {
		if v := table.Offer(k, Batch{0, 0, 2}, int64(i), 5, uint64(i)); v.Outcome != Accepted {
			t.Fatalf("%v: %+v", k, v)
		}
	}
	if v := table.Offer(Key{1, 2}, Batch{0, 0, 2}, 9, 5, 9); v != (Verdict{Duplicate, 1, 5}) {
		t.Fatalf("%+v", v)
	}
	table.DropQueues(func(q uint64) bool { return q == 1 })
	if v := table.Offer(Key{2, 1}, Batch{0, 0, 2}, 9, 5, 9); v.Outcome != Duplicate || table.Len() != 1 {
		t.Fatalf("%+v, %d producers", v, table.Len())
	}
}

func TestLimitForgetsTheMostSilent(t *testing.T) {
	table := New(3)
	for i := range int64(3) {
		table.Offer(Key{1, i}, Batch{0, 0, 1}, i, i, uint64(i))
	}
	table.Offer(Key{1, 0}, Batch{0, 1, 1}, 3, 3, 3)
	table.Offer(Key{1, 9}, Batch{0, 0, 1}, 4, 4, 4)
	if v := table.Offer(Key{1, 0}, Batch{0, 0, 1}, 5, 5, 5); v.Outcome != Duplicate {
		t.Errorf("the one that wrote last was forgotten: %+v", v)
	}
	if v := table.Offer(Key{1, 1}, Batch{0, 0, 1}, 5, 5, 5); v.Outcome != Accepted || table.Len() != 3 {
		t.Errorf("the most silent one is still known: %+v", v)
	}
}

// TestRestoredTableIsTheSame runs a random history twice, once over restored tables, and wants the same verdicts.
func TestRestoredTableIsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	one, two := New(20), New(20)
	for i := range 20000 {
		k := Key{uint64(r.IntN(3)), int64(r.IntN(10))}
		b := Batch{int16(r.IntN(2)), int32(r.IntN(8)), 1 + r.IntN(2)}
		if r.IntN(2) == 0 { // the next in sequence, so that something is accepted
			if place, ok := one.producers[k]; ok {
				s := one.at(place)
				b.Epoch, b.First = s.epoch, follow(s.batches[s.count-1].last)
			}
		}
		if v, w := one.Offer(k, b, int64(i), int64(i/3), uint64(i)), two.Offer(k, b, int64(i), int64(i/3), uint64(i)); v != w {
			t.Fatalf("step %d: %+v and %+v", i, v, w)
		}
		if r.IntN(50) == 0 {
			before := int64(i/3 - 20)
			if n, m := one.Expire(before), two.Expire(before); n != m {
				t.Fatalf("step %d: %d and %d expired", i, n, m)
			}
		}
		if r.IntN(100) == 0 {
			two = restore(t, two)
		}
	}
	if a, b := order(one), order(two); !slices.Equal(a, b) {
		t.Fatalf("order %v and %v", a, b)
	}
}

func restore(t *testing.T, table *Table) *Table {
	t.Helper()
	var r Restored
	for k := range table.producers {
		if err := r.Add(k, table.Encode(k)); err != nil {
			t.Fatal(err)
		}
	}
	return r.Done(table.limit)
}

func order(t *Table) (keys []string) {
	for at := t.oldest; at != 0; at = t.at(at - 1).newer {
		keys = append(keys, fmt.Sprint(t.at(at-1).key))
	}
	return keys
}

func FuzzRestored(f *testing.F) {
	table := New(0)
	for i := range 7 {
		table.Offer(Key{1, 1}, Batch{0, int32(i), 1}, int64(i), 3, uint64(i))
		f.Add(table.Encode(Key{1, 1}))
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		var r Restored
		if r.Add(Key{1, 1}, form) != nil {
			return
		}
		restored := r.Done(0)
		if again := restored.Encode(Key{1, 1}); string(again) != string(form) {
			t.Fatalf("%x became %x", form, again)
		}
		restored.Offer(Key{1, 1}, Batch{1, 2, 3}, 4, 5, 6)
	})
}

func BenchmarkOffer(b *testing.B) {
	table := New(0)
	for i := range b.N {
		table.Offer(Key{uint64(i % 1000), 1}, Batch{0, int32(i / 1000), 1}, int64(i), int64(i), uint64(i))
	}
}
