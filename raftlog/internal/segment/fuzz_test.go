package segment

import (
	"bytes"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// Whatever lies in a segment behind its header, reading it neither panics nor takes more memory than the file has bytes;
// a frame that is taken for whole is the one that encodes to the same bytes.
func FuzzFrame(f *testing.F) {
	r := round{}
	r.own(typeHard, 5, encodeHard(HardState{5, 2, 1000}))
	r.entries = entries(2, 4, 5, 100)
	h := goldenHeader()
	head := h.encode()
	r.encode(frame{index: 1, synced: 4096}, headerBytes, h.crc, frameSeed(h.uid, h.sequence))
	f.Add(bytes.Join(r.bufs, nil))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		seed := frameSeed(h.uid, h.sequence)
		if len(b) >= frameBytes {
			if got, whole := decodeFrame(b, seed); whole {
				again := make([]byte, frameBytes)
				if got.encode(again, seed); !bytes.Equal(again, b[:frameBytes]) {
					t.Fatalf("%x decodes to %+v, which encodes to %x", b[:frameBytes], got, again)
				}
			}
		}
		fs := files{"x": append(slices.Clone(head), b...)}.disk(t, "d")
		end := int64(headerBytes)
		_, stop, err := Inspect(fs, "d/x", func(f Frame) error {
			if f.Offset != end {
				t.Fatalf("frame at %d, expected one at %d", f.Offset, end)
			}
			end += f.Bytes
			return nil
		})
		if err != nil && !errors.Is(err, errNewer) {
			t.Fatal(err)
		}
		if err == nil && (stop.Offset != end || stop.Offset > int64(headerBytes+len(b))) {
			t.Fatalf("frames end at %d, stop is %+v", end, stop)
		}
	})
}

// Any damage to the files of a log is named, or is a torn tail, or does no harm. Nothing else than what was written is
// served, and nothing below the checkpoint is missing. With forged checksums there is no such promise; then opening must
// only end in an orderly way.
func FuzzRecover(f *testing.F) {
	g, whole := smallLog(f, func(*ledger, **Log) error { return nil })
	names := slices.DeleteFunc(slices.Sorted(keys(whole)), func(n string) bool { return !strings.HasSuffix(n, logSuffix) })
	floor := Floor{Index: 5, Term: 3, Older: 1}
	f.Add([]byte{2, 0, 0x10, 0x40, 0, 8, 1, 0}, byte(0))
	f.Add([]byte{1, 1, 0x10, 0x40, 0, 80, 0, 0}, byte(1))
	f.Add([]byte{2, 2, 0x10, 0x80, 0, 80, 0x10, 0}, byte(0))
	f.Add([]byte{0, 3, 0x12, 0x00, 0, 0, 0, 0}, byte(2))
	f.Add([]byte{2, 0, 0x10, 0x10, 0, 1, 9, 0, 2, 4, 0x10, 0x00, 0, 0, 0, 0}, byte(0))
	f.Fuzz(func(t *testing.T, edits []byte, mode byte) {
		damaged, forged := files{}, false
		for n, b := range whole {
			damaged[n] = slices.Clone(b)
		}
		for ; len(edits) >= 8 && len(edits) < 800; edits = edits[8:] {
			name := names[int(edits[0])%len(names)]
			damaged[name] = edit(damaged[name], edits[1:8], &forged)
		}
		if mode&1 != 0 { // the tables are gone
			damaged = keepLogs(damaged)
		}
		fs := damaged.disk(t, g.o.Dir)
		at := floor
		if mode&2 != 0 {
			at = Floor{Index: 1, Term: 1}
		}
		checkDamaged(t, g, fs, at, forged)
	})
}

// checkDamaged opens a damaged log and holds what it serves against what was written.
func checkDamaged(t *testing.T, g *ledger, fs vfs.FS, floor Floor, forged bool) {
	_, verifyErr := Verify(fs, g.o.Dir)
	o := g.o
	o.FS = fs
	l, rec, err := Open(o, floor)
	known := func(err error) bool {
		return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrForeign) || errors.Is(err, errNewer) || errors.Is(err, ErrNoLog)
	}
	if err != nil {
		if !known(err) {
			t.Fatal(err)
		}
		return
	}
	defer l.Abandon()
	if verifyErr != nil && !forged {
		t.Fatalf("Verify fails where Open does not: %v", verifyErr)
	}
	judge := *g
	judge.synced, judge.floor = 0, floor
	if _, err = judge.explain(l, rec); err != nil && !forged && !known(err) {
		t.Fatal(err)
	}
	if rec.Last < floor.Index || rec.First > floor.Index+1 {
		t.Fatalf("entries %d to %d are served with a checkpoint at %d", rec.First, rec.Last, floor.Index)
	}
	if err := l.Append(nil, entries(rec.Last+1, rec.Last+1, 1000, 50)); err != nil && !forged {
		t.Fatal(err)
	}
}

// edit applies one edit: flip, zeros, a copy from elsewhere in the file, a cut, or the forging of a frame's checksum.
func edit(b, how []byte, forged *bool) []byte {
	if len(b) == 0 {
		return b
	}
	at := (int(how[1])<<8 | int(how[2])) % len(b)
	n := min(int(how[3])<<8|int(how[4]), len(b)-at)
	switch how[0] % 5 {
	case 0:
		b[at] ^= how[5] | 1
	case 1:
		clear(b[at : at+n])
	case 2:
		from := (int(how[5])<<8 | int(how[6])) % len(b)
		copy(b[at:at+n], slices.Clone(b[from:min(len(b), from+n)]))
	case 3:
		return b[:at]
	case 4:
		at &^= frameAlign - 1
		h, err := decodeHeader(b[:min(len(b), headerBytes)])
		if err == nil && at+frameBytes <= len(b) {
			*forged = true
			le.PutUint32(b[at:], crc32.Update(frameSeed(h.uid, h.sequence), castagnoli, b[at+4:at+frameBytes]))
		}
	}
	return b
}

func keepLogs(f files) files {
	out := files{}
	for n, b := range f {
		if strings.HasSuffix(n, logSuffix) {
			out[n] = b
		}
	}
	return out
}

func keys(f files) func(func(string) bool) {
	return func(yield func(string) bool) {
		for n := range f {
			if !yield(n) {
				return
			}
		}
	}
}
