package crc32c

import (
	"math/rand/v2"
	"testing"
)

func TestCombineEqualsSumOfBoth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		buf := make([]byte, rng.IntN(70_000))
		for i := range buf {
			buf[i] = byte(rng.Uint32())
		}
		cut := 0
		if len(buf) > 0 {
			cut = rng.IntN(len(buf) + 1)
		}
		want := Sum(buf)
		if got := Combine(Sum(buf[:cut]), Sum(buf[cut:]), len(buf)-cut); got != want {
			t.Fatalf("combine at %d of %d: %08x, want %08x", cut, len(buf), got, want)
		}
		if got := Sum(buf[:cut], buf[cut:]); got != want {
			t.Fatalf("sum of two at %d of %d: %08x, want %08x", cut, len(buf), got, want)
		}
	}
}

func TestKnownValue(t *testing.T) {
	if got := Sum([]byte("123456789")); got != 0xe3069283 { // the check value of CRC-32/ISCSI
		t.Fatalf("got %08x", got)
	}
}

func BenchmarkCombine(b *testing.B) {
	for b.Loop() {
		Combine(0x12345678, 0x9abcdef0, 1<<20-17)
	}
}
