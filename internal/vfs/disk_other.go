//go:build !linux

package vfs

// WriteVAt writes one buffer after another; there is no pwritev to rely on.
func (d *diskFile) WriteVAt(bufs [][]byte, off int64) (int, error) {
	if off < 0 {
		return 0, pathError("write", d.f.Name(), errNegative)
	}
	total := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		n, err := d.WriteAt(b, off+int64(total))
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// SyncData is a full Sync; there is no fdatasync to rely on.
func (d *diskFile) SyncData() error { return d.Sync() }

// Preallocate only sets the length; blocks are not reserved.
func (d *diskFile) Preallocate(size int64) error {
	if size < 0 {
		return pathError("preallocate", d.f.Name(), errNegative)
	}
	return d.growTo(size)
}
