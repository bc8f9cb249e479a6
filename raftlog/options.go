package raftlog

import (
	"errors"
	"fmt"
	"time"
)

// Flush says what an acknowledgement promises.
type Flush string

const (
	// FlushSync acknowledges after fdatasync on a majority.
	FlushSync Flush = "sync"
	// FlushAsync acknowledges after the write and syncs every Options.FlushInterval, which is the loss window when the
	// machine, not only the process, goes down. Term and vote are synced in every mode.
	FlushAsync Flush = "async"
)

// Options bound a log. The zero value of a field means its default.
type Options struct {
	// Flush is the durability of an acknowledgement. Default sync.
	Flush Flush
	// FlushInterval is the time between syncs in FlushAsync. Default 200 ms.
	FlushInterval time.Duration
	// SegmentBytes is the size of a segment file. Default 256 MiB.
	SegmentBytes int64
	// SpareSegments is how many recycled files are kept. Default 2.
	SpareSegments int
	// TailBytes is the cache of the newest entries, for followers and for applying. Default 32 MiB.
	TailBytes int64

	// CommandBytes is the largest command (head and body). Default 32 MiB.
	CommandBytes int
	// BundleBytes is the size up to which small commands share an entry; a larger command is an entry of its own.
	// Default 64 KiB.
	BundleBytes int
	// BundleWeight bounds the sum of Command.Weight in one entry. Default 1<<20 - 1.
	BundleWeight int
	// RoundBytes is the most that one append round takes from the proposals. Default 8 MiB.
	RoundBytes int
	// ProposalBytes bounds the commands that are queued or not yet applied. Default 128 MiB.
	ProposalBytes int64
	// ApplyBytes bounds the committed entries handed to the apply goroutine and not yet applied. Default 32 MiB.
	ApplyBytes int64

	// CheckpointBytes of applied log trigger a checkpoint, and so bound what a restart replays. Default 64 MiB.
	CheckpointBytes int64
	// HashInterval is the number of entries between two comparisons of the state hash. Default 4096; negative: never.
	HashInterval int

	// Tick is the unit of the next two. Default 50 ms.
	Tick time.Duration
	// ElectionTicks without a leader start an election (randomised up to twice that). Default 11.
	ElectionTicks int
	// HeartbeatTicks lie between two heartbeats of a leader. Default 2.
	HeartbeatTicks int
	// SlowAppend is how long one append may take before a leader with followers hands over. Default 3 s.
	SlowAppend time.Duration
	// MaxClockStep is how far ahead of the majority's clocks a leader's clock may be believed. Default 5 s.
	MaxClockStep time.Duration
	// InflightMessages are the append messages on the way to one follower. Default 2.
	InflightMessages int
	// MessageBytes bounds the entries in one append message (one larger entry travels alone). Default 2 MiB.
	MessageBytes int
	// SnapshotBytesPerSecond throttles the pulling of a snapshot's files. Default 64 MiB/s; negative: no limit.
	SnapshotBytesPerSecond int64

	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// BootID tells two boots of the machine apart. Empty: the system's own, where the log lies on a real disk and the
	// system has one (Linux), and otherwise every restart counts as one after a machine crash.
	BootID string
	// Foreground does the segments' background work on the writer's goroutine, so that simulations repeat exactly.
	Foreground bool
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// WithDefaults returns o with every zero field set to its default.
func (o Options) WithDefaults() Options {
	setDefault(&o.Flush, FlushSync)
	setDefault(&o.FlushInterval, 200*time.Millisecond)
	setDefault(&o.SegmentBytes, 256<<20)
	setDefault(&o.SpareSegments, 2)
	setDefault(&o.TailBytes, 32<<20)
	setDefault(&o.CommandBytes, 32<<20)
	setDefault(&o.BundleBytes, 64<<10)
	setDefault(&o.BundleWeight, 1<<20-1)
	setDefault(&o.RoundBytes, 8<<20)
	setDefault(&o.ProposalBytes, 128<<20)
	setDefault(&o.ApplyBytes, 32<<20)
	setDefault(&o.CheckpointBytes, 64<<20)
	setDefault(&o.HashInterval, 4096)
	setDefault(&o.Tick, 50*time.Millisecond)
	setDefault(&o.ElectionTicks, 11)
	setDefault(&o.HeartbeatTicks, 2)
	setDefault(&o.SlowAppend, 3*time.Second)
	setDefault(&o.MaxClockStep, 5*time.Second)
	setDefault(&o.InflightMessages, 2)
	setDefault(&o.MessageBytes, 2<<20)
	setDefault(&o.SnapshotBytesPerSecond, 64<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Validate says what is wrong with options that have their defaults.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Flush == FlushSync || o.Flush == FlushAsync, "flush is %q, must be sync or async", o.Flush)
	check(o.SegmentBytes >= 64<<10, "segment bytes are %d, must be at least %d", o.SegmentBytes, 64<<10)
	check(o.CommandBytes > 0, "command bytes are %d, must be positive", o.CommandBytes)
	check(int64(o.CommandBytes)+segmentOverhead <= o.SegmentBytes,
		"command bytes are %d, a segment of %d bytes holds less", o.CommandBytes, o.SegmentBytes)
	check(o.BundleBytes > 0 && o.BundleBytes <= o.CommandBytes, "bundle bytes are %d, must lie in 1..%d", o.BundleBytes, o.CommandBytes)
	check(o.BundleWeight > 0 && o.BundleWeight < 1<<20, "bundle weight is %d, must lie in 1..%d", o.BundleWeight, 1<<20-1)
	check(o.ProposalBytes >= int64(o.CommandBytes), "proposal bytes are %d, less than one command of %d", o.ProposalBytes, o.CommandBytes)
	check(o.ElectionTicks > o.HeartbeatTicks && o.HeartbeatTicks > 0, "election ticks %d must exceed heartbeat ticks %d",
		o.ElectionTicks, o.HeartbeatTicks)
	return errors.Join(errs...)
}

// segmentOverhead is what a segment and a frame need beside one entry's payload, generously.
const segmentOverhead = 16 << 10
