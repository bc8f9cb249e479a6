package raftlog

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/duolog/duolog/raftlog/internal/crc32c"
)

func testLog(o Options) *Log {
	return &Log{opt: o.WithDefaults(), inbox: newInbox()}
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestBundlesKeepOrderAndBounds cuts random proposals into entries and reads the commands back from the payloads.
func TestBundlesKeepOrderAndBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l := testLog(Options{BundleBytes: 1000, BundleWeight: 50, RoundBytes: 20_000})
	var queue []*Ticket
	for i := range 400 {
		c := Command{
			Kind: uint8(1 + i%100), Version: uint8(i), Weight: uint32(rng.IntN(20)),
			Head: randomBytes(rng, rng.IntN(40)), Body: randomBytes(rng, rng.IntN(900)),
		}
		queue = append(queue, &Ticket{command: c, bodyCRC: crc32c.Sum(c.Body)})
	}
	want := queue
	for rest := queue; len(rest) > 0; {
		var bundles []*bundle
		bundles, rest = l.bundles(rest, 77)
		round := 0
		for _, b := range bundles {
			whole := joinPayload(b.payload.gather())
			if b.payload.crc != crc32c.Sum(whole) {
				t.Fatal("payload checksum is wrong")
			}
			if payloadTime(whole) != 77 {
				t.Fatal("payload time is wrong")
			}
			place := Place{Segment: 5, Offset: 100, Length: uint32(len(whole))}
			parts, err := b.payload.parse(nil, place)
			if err != nil {
				t.Fatal(err)
			}
			joined, err := parseCommands(nil, whole, place)
			if err != nil || len(joined) != len(b.tickets) || len(parts) != len(joined) {
				t.Fatalf("%d and %d commands of %d: %v", len(parts), len(joined), len(b.tickets), err)
			}
			weight := 0
			for i, c := range joined {
				in := want[0].command
				want = want[1:]
				weight += int(in.Weight)
				round += in.Size()
				if c.Kind != in.Kind || c.Version != in.Version || !bytes.Equal(c.Head, in.Head) || !bytes.Equal(c.Body, in.Body) {
					t.Fatalf("command differs: %+v", c)
				}
				at := c.Place.Offset - 100
				if stored := whole[at : at+c.Place.Length]; !bytes.Equal(stored, append(bytes.Clone(in.Head), in.Body...)) {
					t.Fatal("place does not hold the command")
				}
				if parts[i].Place != c.Place || !bytes.Equal(parts[i].Body, c.Body) {
					t.Fatal("the two forms of a payload differ")
				}
				if b := c.BodyPlace(); int(b.Length) != len(in.Body) || b.Offset != c.Place.Offset+uint32(len(in.Head)) {
					t.Fatalf("body place %+v", b)
				}
			}
			if len(joined) > 1 && (weight > 50 || len(whole) > 1000+timeBytes) {
				t.Fatalf("bundle of %d bytes, weight %d", len(whole), weight)
			}
		}
		if round > 20_000+1000 {
			t.Fatalf("a round took %d bytes", round)
		}
	}
	if len(want) != 0 {
		t.Fatalf("%d commands are missing", len(want))
	}
}

func TestProposeRefuses(t *testing.T) {
	l := testLog(Options{CommandBytes: 1 << 20, ProposalBytes: 1 << 20})
	for _, c := range []struct {
		name    string
		command Command
		want    error
	}{
		{"no kind", Command{}, ErrUndecodable},
		{"the log's kind", Command{Kind: firstOwnKind}, ErrUndecodable},
		{"too large", Command{Kind: 1, Body: make([]byte, 1<<20+1)}, ErrTooLarge},
		{"head too large", Command{Kind: 1, Head: make([]byte, MaxHead+1)}, ErrTooLarge},
	} {
		if _, err := l.Propose(c.command).Wait(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	l.Propose(Command{Kind: 1, Body: make([]byte, 1<<20)})
	if _, err := l.Propose(Command{Kind: 1}).Wait(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("over the budget: %v, want %v", err, ErrFull)
	}
}

func FuzzParseCommands(f *testing.F) {
	f.Add(joinPayload(pack([]*Ticket{{command: Command{Kind: 1, Head: []byte("h"), Body: []byte("b")}}}, 10, 5).payload.gather()))
	f.Fuzz(func(t *testing.T, b []byte) {
		commands, err := parseCommands(nil, b, Place{Length: uint32(len(b))})
		if err != nil {
			if !errors.Is(err, ErrUndecodable) {
				t.Fatal(err)
			}
			return
		}
		n := timeBytes
		for _, c := range commands {
			n += commandHeader + len(c.Head) + len(c.Body)
		}
		if n != len(b) {
			t.Fatalf("commands cover %d of %d bytes", n, len(b))
		}
	})
}
