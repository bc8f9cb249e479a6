package segment

import ("fmt"; "path"
"github.com/duolog/duolog/internal/vfs")

func DbgDump(fs vfs.FS, dir, name string) (out []string) {
	f, err := fs.Open(path.Join(dir, name))
	if err != nil { return []string{err.Error()} }
	h, err := readHeader(f)
	if err != nil { return []string{err.Error()} }
	size, _ := f.Size()
	out = append(out, fmt.Sprintf("%+v", h))
	sc := newScanner(f, size, &h)
	for {
		off := sc.off
		fr, p, bad, err := sc.next()
		if err != nil || bad != "" { out = append(out, fmt.Sprint(off, bad, err)); return }
		x := ""
		if fr.typ == typeHard { x = fmt.Sprintf("%+v", decodeHard(p)) }
		out = append(out, fmt.Sprintf("%d: typ %d index %d term %d commit %d synced %d len %d %s", off, fr.typ, fr.index, fr.term, fr.commit, fr.synced, fr.length, x))
	}
}
