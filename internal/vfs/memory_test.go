package vfs

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestMemoryHolesCostNothing(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "segment")
	ok(t, f.Preallocate(256<<20))
	write(t, f, 200<<20, "x")
	if used := m.tree.root.used(); used > 64<<10 {
		t.Fatalf("one byte in 256 MiB costs %d bytes", used)
	}
	free, total, err := m.Space("")
	ok(t, err)
	check(t, total-free, chunkBytes)
}

// TestContent plays random changes on a content, its clones, and plain byte slices, which must stay equal.
func TestContent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	type pair struct {
		c    content
		want []byte
	}
	pairs := []*pair{{}}
	limit := 5 * chunkBytes
	for step := range 2000 {
		p := pairs[rng.IntN(len(pairs))]
		switch off, n := rng.IntN(limit), rng.IntN(2*chunkBytes); rng.IntN(8) {
		case 0:
			p.c.resize(int64(off))
			p.want = append(p.want[:min(off, len(p.want))], make([]byte, max(0, off-len(p.want)))...)
		case 1:
			if len(pairs) < 4 {
				pairs = append(pairs, &pair{p.c.clone(), bytes.Clone(p.want)})
			}
		case 2:
			src := pairs[rng.IntN(len(pairs))]
			if src == p {
				continue
			}
			to := min(off+n, len(src.want))
			if off >= to {
				continue
			}
			p.c.copyFrom(&src.c, int64(off), int64(off+n))
			p.want = append(p.want, make([]byte, max(0, to-len(p.want)))...)
			copy(p.want[off:to], src.want[off:to])
		default:
			data := bytes.Repeat([]byte{byte(rng.Uint32())}, n+1)
			p.c.writeAt(data, int64(off))
			p.want = append(p.want, make([]byte, max(0, off+len(data)-len(p.want)))...)
			copy(p.want[off:], data)
		}
		if step%20 > 0 {
			continue
		}
		for i, p := range pairs {
			got := make([]byte, p.c.length)
			if _, err := p.c.readAt(got, 0); err != nil || !bytes.Equal(got, p.want) {
				t.Fatalf("content %d differs: %v", i, err)
			}
		}
	}
}
