package ordered

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAgainstBuiltinMap runs one random history on a Map and on Go's own map.
func TestAgainstBuiltinMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[Int]int{}
	var m Map[Int, int]
	for step := range 20_000 {
		key := Int(rng.IntN(700))
		before, beforeLen := m, m.Len()
		if rng.IntN(3) == 0 {
			delete(want, key)
			m = m.Delete(key)
		} else {
			want[key] = step
			m = m.Set(key, step)
		}
		if before.Len() != beforeLen {
			t.Fatalf("step %d changed the map it started from", step)
		}
		if step%500 == 0 {
			compare(t, m, want)
		}
	}
	compare(t, m, want)
}

func compare(t *testing.T, m Map[Int, int], want map[Int]int) {
	t.Helper()
	checkShape(t, m.root)
	if m.Len() != len(want) {
		t.Fatalf("Len = %d, want %d", m.Len(), len(want))
	}
	keys := slices.Sorted(maps.Keys(want))
	i := 0
	for k, v := range m.All() {
		if k != keys[i] || v != want[k] {
			t.Fatalf("pair %d is %d=%d, want %d=%d", i, k, v, keys[i], want[keys[i]])
		}
		if got, ok := m.Get(k); !ok || got != v {
			t.Fatalf("Get(%d) = %d, %v", k, got, ok)
		}
		i++
	}
	start := Int(350)
	at, _ := slices.BinarySearch(keys, start)
	var from []Int
	for k := range m.From(start) {
		from = append(from, k)
	}
	if !slices.Equal(from, keys[at:]) {
		t.Fatalf("From(%d) = %v, want %v", start, from, keys[at:])
	}
	if _, ok := m.Get(-1); ok {
		t.Fatal("Get finds a key that was never set")
	}
}

func checkShape[K Key[K], V any](t *testing.T, n *node[K, V]) {
	if n == nil {
		return
	}
	checkShape(t, n.left)
	checkShape(t, n.right)
	if d := n.left.tall() - n.right.tall(); d > 1 || d < -1 {
		t.Fatalf("heights %d and %d under one node", n.left.tall(), n.right.tall())
	}
	if n.height != 1+max(n.left.tall(), n.right.tall()) || n.size != 1+n.left.len()+n.right.len() {
		t.Fatalf("node says height %d size %d", n.height, n.size)
	}
}

func TestStopsWhenToldTo(t *testing.T) {
	var m Map[String, int]
	for i, name := range []String{"d", "b", "a", "c", "e"} {
		m = m.Set(name, i)
	}
	var got []String
	for k := range m.From("b") {
		if got = append(got, k); len(got) == 2 {
			break
		}
	}
	if !slices.Equal(got, []String{"b", "c"}) {
		t.Fatalf("got %v", got)
	}
}

func BenchmarkSet(b *testing.B) {
	var m Map[Int, int]
	for i := range 10_000 {
		m = m.Set(Int(i), i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Set(Int(i%10_000), i)
		i += 7919
	}
}
