package segment

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// The bytes below are what docs/format/segment.md describes. They may not change without a new format version.

func goldenHeader() header {
	return header{
		flags: flagWritten, uid: testUID, sequence: 7, first: 1001, termBefore: 4, hard: HardState{5, 2, 990}, created: 1_700_000_000_000,
		firstTime: 1_700_000_000_001, bootID: "0f9d1c9e-6a55-4a38-a4a2-000000000001",
		prevSequence: 6, prevEnd: 268_000_000, prevLast: 1000, prevTime: 1_699_999_999_999, prevLink: 0xdeadbeef,
	}
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenHeader(t *testing.T) {
	h := goldenHeader()
	got := h.encode()
	want := make([]byte, headerBytes)
	copy(want, unhex(t, `
		44554f4c4f475347 01000000 01000000 74657374000000000000000000000000
		0700000000000000 e903000000000000 0400000000000000
		0500000000000000 0200000000000000 de03000000000000
		0068e5cf8b010000 0168e5cf8b010000
		0600000000000000 005bf90f00000000 e803000000000000 ff67e5cf8b010000
		efbeadde 24000000 30663964316339652d366135352d346133382d613461322d303030303030303030303031`))
	copy(want[headerBytes-4:], unhex(t, "1f4d34e7"))
	if !bytes.Equal(got, want) {
		t.Fatalf("got\n%x ... %x\nwant\n%x ... %x", got[:172], got[headerBytes-4:], want[:172], want[headerBytes-4:])
	}
	back, err := decodeHeader(got)
	if err != nil || back != h {
		t.Fatalf("decoded %+v, %v", back, err)
	}
}

func TestGoldenFrames(t *testing.T) {
	r := round{}
	r.own(typeHard, 5, encodeHard(HardState{5, 2, 1000}))
	r.entries = []Entry{
		{Index: 1001, Term: 5, Time: 1_700_000_000_001, Type: 1, Payload: [][]byte{[]byte("head"), []byte("body!")}},
		{Index: 1002, Term: 5, Time: 1_700_000_000_002},
	}
	r.encode(frame{index: 1000, time: 1_699_999_999_999, commit: 990, synced: 4096}, 4096, 0x01020304, frameSeed(testUID, 7))
	got := bytes.Join(r.bufs, nil)
	want := unhex(t, `
		d14962fd180000000403020180000000e8030000000000000500000000000000ff67e5cf8b010000de03000000000000faed98e400100000
		05000000000000000200000000000000e803000000000000
		63aa9aa509000000d14962fd01000000e90300000000000005000000000000000168e5cf8b010000de030000000000005bca52c500100000
		68656164626f64792100000000000000
		b9ebb30a0000000063aa9aa500000000ea0300000000000005000000000000000268e5cf8b010000de030000000000000000000000100000`)
	if !bytes.Equal(got, want) {
		t.Fatalf("got\n%x\nwant\n%x", got, want)
	}
	if r.end != 4096+int64(len(want)) || r.offsets[0] != 4096+80 || r.offsets[1] != 4096+80+72 {
		t.Fatalf("end %d, offsets %d", r.end, r.offsets)
	}
}

func TestGoldenOwnPayloads(t *testing.T) {
	b := boot{opened: 1_700_000_000_000, cut: 192, id: "0f9d1c9e-6a55-4a38-a4a2-000000000001"}
	want := unhex(t, `0068e5cf8b010000 c000000000000000 24000000
		30663964316339652d366135352d346133382d613461322d303030303030303030303031`)
	if got := b.encode(); !bytes.Equal(got, want) || decodeBoot(got) != b {
		t.Fatalf("got %x, want %x", got, want)
	}
}

func TestGoldenTable(t *testing.T) {
	tab := table{
		first: 1001, offsets: []uint32{4176, 4248, 4304}, lengths: []uint32{9, 0, 100}, runs: []run{{1001, 5}, {1003, 6}},
		end: 4464, link: 0x0a0b0c0d,
	}
	got := tab.encode(testUID, 7)
	want := unhex(t, `
		44554f4c4f475442010000000d0c0b0a746573740000000000000000000000000700000000000000e9030000000000000300000000000000
		02000000000000007011000000000000e9030000000000000500000000000000eb0300000000000006000000000000005010000009000000
		9810000000000000d01000006400000098ff15fd`)
	if !bytes.Equal(got, want) {
		t.Fatalf("got\n%x\nwant\n%x", got, want)
	}
	back, err := decodeTable(got, testUID, 7, 1001)
	if err != nil || !back.equal(&tab) {
		t.Fatalf("decoded %+v, %v", back, err)
	}
	for i := range got {
		bad := bytes.Clone(got)
		bad[i] ^= 4
		if _, err := decodeTable(bad, testUID, 7, 1001); err == nil {
			t.Fatalf("damage of byte %d was not seen", i)
		}
	}
	for i := range got {
		if _, err := decodeTable(got[:i], testUID, 7, 1001); err == nil {
			t.Fatalf("a table of %d bytes was taken", i)
		}
	}
}
