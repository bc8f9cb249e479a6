package ordered

import (
	"bytes"
	"cmp"
	"iter"
	"strings"
)

// Key is what a map can be sorted by.
type Key[K any] interface{ Compare(K) int }

// String is a text key.
type String string

// Compare orders by bytes.
func (s String) Compare(t String) int { return strings.Compare(string(s), string(t)) }

// Int is a number key.
type Int int32

// Compare orders by value.
func (i Int) Compare(j Int) int { return cmp.Compare(i, j) }

// UUID is a 16-byte key.
type UUID [16]byte

// Compare orders by bytes.
func (u UUID) Compare(v UUID) int { return bytes.Compare(u[:], v[:]) }

// Map is an immutable sorted map, an AVL tree inside. The zero value is empty.
type Map[K Key[K], V any] struct{ root *node[K, V] }

// node is a subtree. It never changes after it was made.
//
// Invariant: the heights of left and right differ by at most one.
type node[K Key[K], V any] struct {
	key         K
	value       V
	left, right *node[K, V]
	height      int8
	size        int32
}

// Len returns the number of keys.
func (m Map[K, V]) Len() int { return int(m.root.len()) }

// Get returns the value of a key.
func (m Map[K, V]) Get(key K) (V, bool) {
	for n := m.root; n != nil; {
		switch c := key.Compare(n.key); {
		case c == 0:
			return n.value, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	var none V
	return none, false
}

// Set returns a map in which key has value.
func (m Map[K, V]) Set(key K, value V) Map[K, V] { return Map[K, V]{m.root.set(key, value)} }

// Delete returns a map without key.
func (m Map[K, V]) Delete(key K) Map[K, V] {
	if _, ok := m.Get(key); !ok {
		return m
	}
	return Map[K, V]{m.root.delete(key)}
}

// All yields every pair in key order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.walk(yield) }
}

// From yields the pairs whose key is at or above start, in key order.
func (m Map[K, V]) From(start K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.walkFrom(start, yield) }
}

// Values yields every value in key order.
func (m Map[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.root.walk(func(_ K, v V) bool { return yield(v) })
	}
}

func (n *node[K, V]) len() int32 {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *node[K, V]) tall() int8 {
	if n == nil {
		return 0
	}
	return n.height
}

func (n *node[K, V]) set(key K, value V) *node[K, V] {
	if n == nil {
		return &node[K, V]{key: key, value: value, height: 1, size: 1}
	}
	switch c := key.Compare(n.key); {
	case c == 0:
		return join(n.left, key, value, n.right)
	case c < 0:
		return balance(n.left.set(key, value), n.key, n.value, n.right)
	default:
		return balance(n.left, n.key, n.value, n.right.set(key, value))
	}
}

// delete removes a key that is there.
func (n *node[K, V]) delete(key K) *node[K, V] {
	switch c := key.Compare(n.key); {
	case c < 0:
		return balance(n.left.delete(key), n.key, n.value, n.right)
	case c > 0:
		return balance(n.left, n.key, n.value, n.right.delete(key))
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	default:
		next := n.right.first()
		return balance(n.left, next.key, next.value, n.right.delete(next.key))
	}
}

func (n *node[K, V]) first() *node[K, V] {
	for n.left != nil {
		n = n.left
	}
	return n
}

func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (n *node[K, V]) walkFrom(start K, yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	if n.key.Compare(start) < 0 {
		return n.right.walkFrom(start, yield)
	}
	return n.left.walkFrom(start, yield) && yield(n.key, n.value) && n.right.walk(yield)
}

// join makes a node of two subtrees that are in balance.
func join[K Key[K], V any](left *node[K, V], key K, value V, right *node[K, V]) *node[K, V] {
	return &node[K, V]{
		key: key, value: value, left: left, right: right,
		height: 1 + max(left.tall(), right.tall()),
		size:   1 + left.len() + right.len(),
	}
}

// balance makes a node of two subtrees whose heights differ by at most two.
func balance[K Key[K], V any](left *node[K, V], key K, value V, right *node[K, V]) *node[K, V] {
	switch d := left.tall() - right.tall(); {
	case d > 1 && left.left.tall() >= left.right.tall():
		return join(left.left, left.key, left.value, join(left.right, key, value, right))
	case d > 1:
		mid := left.right
		return join(join(left.left, left.key, left.value, mid.left), mid.key, mid.value, join(mid.right, key, value, right))
	case d < -1 && right.right.tall() >= right.left.tall():
		return join(join(left, key, value, right.left), right.key, right.value, right.right)
	case d < -1:
		mid := right.left
		return join(join(left, key, value, mid.left), mid.key, mid.value, join(mid.right, right.key, right.value, right.right))
	default:
		return join(left, key, value, right)
	}
}
