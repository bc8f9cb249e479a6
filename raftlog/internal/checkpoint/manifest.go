package checkpoint

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path"
	"strconv"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// A manifest is: magic, the fields of Meta, the runs, and the CRC-32C of all that. See docs/format/checkpoint.md.
const (
	manifestMagic  = "DLCKPT01"
	manifestSuffix = ".ckpt"
	runSuffix      = ".run"
	tempSuffix     = ".tmp"
	maxManifest    = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// runInfo is what a manifest says of a run.
type runInfo struct {
	name    string
	bytes   int64
	records uint64
	crc     uint32 // of the whole file
}

func manifestName(index uint64) string { return fmt.Sprintf("%020d%s", index, manifestSuffix) }

// noteSerial keeps run names unique across restarts: a run is named by its checkpoint's index and a serial number.
func (s *Store) noteSerial(name string) {
	base, ok := strings.CutSuffix(strings.TrimSuffix(name, tempSuffix), runSuffix)
	if !ok {
		return
	}
	if _, serial, ok := strings.Cut(base, "-"); ok {
		if n, err := strconv.ParseUint(serial, 10, 64); err == nil && n > s.serial {
			s.serial = n
		}
	}
}

func (s *Store) runName(index uint64) string {
	s.serial++
	return fmt.Sprintf("%020d-%d%s", index, s.serial, runSuffix)
}

func encodeManifest(m Meta, runs []runInfo) []byte {
	le := binary.LittleEndian
	b := []byte(manifestMagic)
	b = append(b, m.UID[:]...)
	for _, v := range []uint64{m.Replica, m.Index, m.Term, uint64(m.Time), m.Hash, m.Top} {
		b = le.AppendUint64(b, v)
	}
	b = append(b, 0)
	if m.Installed {
		b[len(b)-1] = 1
	}
	b = le.AppendUint32(b, uint32(len(m.Members)))
	b = append(b, m.Members...)
	b = le.AppendUint32(b, uint32(len(runs)))
	for _, r := range runs {
		b = append(b, byte(len(r.name)))
		b = append(b, r.name...)
		b = le.AppendUint64(b, uint64(r.bytes))
		b = le.AppendUint64(b, r.records)
		b = le.AppendUint32(b, r.crc)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// reader takes fields off a byte slice; bad is set when it runs out.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return make([]byte, min(max(n, 1), 16))
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

func decodeManifest(b []byte) (m Meta, runs []runInfo, err error) {
	if len(b) < len(manifestMagic)+4 || string(b[:len(manifestMagic)]) != manifestMagic {
		return m, nil, fmt.Errorf("no manifest: %w", ErrDamaged)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return m, nil, fmt.Errorf("manifest checksum is wrong: %w", ErrDamaged)
	}
	r := &reader{b: body[len(manifestMagic):]}
	copy(m.UID[:], r.take(16))
	m.Replica, m.Index, m.Term, m.Time, m.Hash, m.Top = r.u64(), r.u64(), r.u64(), int64(r.u64()), r.u64(), r.u64()
	m.Installed = r.take(1)[0] != 0
	m.Members = append([]byte(nil), r.take(int(r.u32()))...)
	for n := r.u32(); n > 0 && !r.bad; n-- {
		name := string(r.take(int(r.take(1)[0])))
		runs = append(runs, runInfo{name: name, bytes: int64(r.u64()), records: r.u64(), crc: r.u32()})
		if name != path.Base(name) {
			r.bad = true
		}
	}
	if r.bad || len(r.b) != 0 {
		return m, nil, fmt.Errorf("manifest fields do not fit: %w", ErrDamaged)
	}
	return m, runs, nil
}

// load reads one manifest and sees that its runs exist with the right length. Their contents are checked when read.
func (s *Store) load(name string) (*Snapshot, error) {
	full := path.Join(s.dir, name)
	b, err := readFile(s.fs, full)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", full, err)
	}
	m, runs, err := decodeManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", full, err)
	}
	if manifestName(m.Index) != name {
		return nil, fmt.Errorf("%s: holds index %d: %w", full, m.Index, ErrDamaged)
	}
	for _, r := range runs {
		size, err := s.fs.Size(path.Join(s.dir, r.name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", full, err)
		}
		if size != r.bytes {
			return nil, fmt.Errorf("%s: run %s has %d bytes, not %d: %w", full, r.name, size, r.bytes, ErrDamaged)
		}
	}
	return &Snapshot{Meta: m, store: s, runs: runs, bytes: int64(len(b))}, nil
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxManifest {
		return nil, fmt.Errorf("%d bytes are too many: %w", size, ErrDamaged)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("read %d of %d bytes: %w", n, size, err)
	}
	return b, nil
}
