package index

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/duolog/duolog/internal/vfs"
)

// writeSidecar writes the sidecar of a segment whose entries first..last m covers. m must not change any more.
func writeSidecar(fs vfs.FS, dir string, uid [16]byte, m *Memory, first, last uint64) error {
	w, err := newWriter(fs, dir, header{
		name: Name{0, m.sequence}, uid: uid, first: first, last: last, origin: m.origin,
	})
	if err != nil {
		return err
	}
	order := m.sorted()
	w.begin(sectionRuns)
	fences := newFences()
	from := uint32(0)
	for _, i := range order {
		r := m.runs[i].Run
		r.first = from
		from += uint32(r.Count)
		fences.add(&r)
		putRun(w.row(), &r)
	}
	fences.write(w)
	w.begin(sectionEntries)
	for _, i := range order {
		r := &m.runs[i]
		for n := range r.Count {
			block, slot := locate(n)
			putPacked(w.row(), m.slot(r, block, slot))
		}
	}
	w.begin(sectionMoments)
	for _, at := range m.moments {
		row := w.row()
		binary.LittleEndian.PutUint64(row, at.Index)
		binary.LittleEndian.PutUint64(row[8:], uint64(at.Time))
	}
	return w.commit()
}

// sorted returns the runs' numbers by queue and base.
func (m *Memory) sorted() []int {
	order := make([]int, len(m.runs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(m.runs[a].Queue, m.runs[b].Queue), cmp.Compare(m.runs[a].Base, m.runs[b].Base))
	})
	return order
}

// fences gathers the first key of every block of runs.
type fences struct {
	keys []fenceKey
	n    int
	per  int
}

func newFences() *fences {
	return &fences{per: (&section{bytes: runBytes}).perBlock()}
}

func (f *fences) add(r *Run) {
	if f.n%f.per == 0 {
		f.keys = append(f.keys, fenceKey{r.Queue, r.Base})
	}
	f.n++
}

func (f *fences) write(w *writer) {
	w.begin(sectionFences)
	for _, k := range f.keys {
		row := w.row()
		binary.LittleEndian.PutUint64(row, k.queue)
		binary.LittleEndian.PutUint64(row[8:], uint64(k.base))
	}
}
