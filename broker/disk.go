package broker

import (
	"context"
	"log/slog"
	"time"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore"
)

const (
	diskInterval = time.Second
	// diskWarning is how many percent below the watermark the log begins to warn.
	diskWarning = 5
)

// diskWatch looks at how full the data directory's disk is, and says no to writes above the watermark. Nothing is deleted
// that retention would keep.
type diskWatch struct {
	fs        vfs.FS
	dir       string
	watermark int
	log       *slog.Logger
	used      metrics.Gauge
	free      metrics.Gauge

	error        current[rocketcore.DiskFullError] // nil: write
	warns, blind bool                              // owned by watch
}

func newDiskWatch(o Options, m *metrics.Registry) *diskWatch {
	d := &diskWatch{
		fs: o.FS, dir: o.DataDir, watermark: o.DiskWatermark, log: o.Logger,
		used: m.Gauge("duolog_disk_used_ratio", "How full the data directory's disk is, from 0 to 1."),
		free: m.Gauge("duolog_disk_free_bytes", "Bytes that are free on the data directory's disk."),
	}
	d.look()
	return d
}

// full is what the engine asks before every append; nil says that there is room.
func (d *diskWatch) full() error {
	if e := d.error.Load(); e != nil {
		return e
	}
	return nil
}

// watch looks again and again until ctx ends.
func (d *diskWatch) watch(ctx context.Context) {
	ticker := time.NewTicker(diskInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			d.look()
		}
	}
}

func (d *diskWatch) look() {
	free, total, err := d.fs.Space(d.dir)
	if err != nil || total == 0 {
		if !d.blind {
			d.log.Warn("how full the disk is can't be told", "dir", d.dir, "err", err)
		}
		d.blind = true
		return
	}
	d.blind = false
	d.free.Set(float64(free))
	d.used.Set(1 - float64(free)/float64(total))
	percent := 100 - int(free*100/total)
	before := d.error.Load()
	switch {
	case percent >= d.watermark:
		d.error.Store(&rocketcore.DiskFullError{UsedPercent: percent, LimitPercent: d.watermark, Reclaimable: -1})
		if before == nil {
			d.log.Error("writes are refused: the disk is full", "dir", d.dir, "used_percent", percent, "limit_percent", d.watermark)
		}
		return
	case before != nil:
		d.error.Store(nil)
		d.log.Info("writes are taken again", "dir", d.dir, "used_percent", percent)
	}
	warns := percent >= d.watermark-diskWarning
	if warns && !d.warns {
		d.log.Warn("the disk is nearly full", "dir", d.dir, "used_percent", percent, "limit_percent", d.watermark)
	}
	d.warns = warns
}
