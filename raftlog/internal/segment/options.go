package segment

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// Options configures a log. The zero value of every field but FS and Dir means its default.
type Options struct {
	FS  vfs.FS
	Dir string   // belongs to this log alone
	UID [16]byte // identity of the log, the same on every replica
	// BootID names this boot of the machine (/proc/sys/kernel/random/boot_id on Linux), at most 36 bytes; "" = unknown.
	BootID string
	// SegmentBytes is the size of a segment file, 8 KiB to 2 GiB; default 256 MiB. An entry that is larger gets a larger
	// segment of its own.
	SegmentBytes int64
	// Spare is how many recycled files are kept; default 2, negative = none.
	Spare int
	// TailBytes bounds the payload bytes of the newest entries kept in memory; default 32 MiB, negative = none.
	TailBytes int64
	// ZeroAhead is how far ahead of the tail a new file is filled with zeros in the background, so that a sync into it
	// need not convert extents; default 4 MiB, negative = never. Recycled files need none.
	ZeroAhead int64
	// Foreground does sidecars, zeros and spare files on the goroutine of the caller, which makes the order of file
	// operations a function of the calls; for simulations.
	Foreground bool
	// Accept looks at what Open has found before Open changes anything. Its error is Open's, and the next Open finds the
	// same.
	Accept func(Recovered) error
	Logger *slog.Logger     // default slog.Default()
	Now    func() time.Time // for creation times; default time.Now
}

const (
	minSegmentBytes = 8 << 10
	maxSegmentBytes = 2 << 30
	maxBootID       = 36
)

// Validate says what is wrong with the options, if anything.
func (o Options) Validate() error {
	switch {
	case o.FS == nil:
		return errors.New("segment: options: no file system")
	case o.Dir == "":
		return errors.New("segment: options: no directory")
	case len(o.BootID) > maxBootID:
		return fmt.Errorf("segment: options: boot id is longer than %d bytes", maxBootID)
	case o.SegmentBytes != 0 && (o.SegmentBytes < minSegmentBytes || o.SegmentBytes > maxSegmentBytes):
		return fmt.Errorf("segment: options: segment size %d is not within %d to %d bytes", o.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	case o.SegmentBytes%4096 != 0:
		return fmt.Errorf("segment: options: segment size %d is not a multiple of 4096", o.SegmentBytes)
	}
	return nil
}

// withDefaults fills in what was left zero and turns negative values, which mean "none", into zero.
func (o Options) withDefaults() Options {
	o.SegmentBytes = pick(o.SegmentBytes, 256<<20)
	o.Spare = pick(o.Spare, 2)
	o.TailBytes = pick(o.TailBytes, 32<<20)
	o.ZeroAhead = pick(o.ZeroAhead, 4<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func pick[T int | int64](v, def T) T {
	if v == 0 {
		return def
	}
	return max(v, 0)
}
