package group

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Options of a coordinator. The zero value of a field means its default; names in parentheses are Kafka's.
type Options struct {
	MinSessionTimeout time.Duration // (group.min.session.timeout.ms) Default 6 s
	MaxSessionTimeout time.Duration // (group.max.session.timeout.ms) Default 30 minutes
	// InitialRebalanceDelay is how long the first rebalance of an empty group waits for further members
	// (group.initial.rebalance.delay.ms). Default 3 s; negative: it does not wait.
	InitialRebalanceDelay time.Duration
	// MaxMembers bounds the members of a group (group.max.size). Default 2³¹-1, as in Kafka: MaxGroupBytes bounds it too.
	MaxMembers int
	// MaxGroupBytes bounds what the members of one group bring: ids, protocols with their metadata, assignments. A group
	// is stored as one record. Default 8 MiB.
	MaxGroupBytes int
	// MaxGroups bounds the groups that one coordinator keeps. Default 100,000.
	MaxGroups int
	// NewMemberJoinTimeout ends the JoinGroup request of a member that does not know its id yet, and so can't be heard of
	// in another way (before KIP-394). Default 5 minutes, fixed in Kafka.
	NewMemberJoinTimeout time.Duration

	// OffsetRetention is how long the offsets of an empty group are kept (offsets.retention.minutes). Default 7 days.
	OffsetRetention time.Duration
	// RetentionInterval is the time between two looks for offsets to forget (offsets.retention.check.interval.ms).
	// Default 10 minutes.
	RetentionInterval time.Duration
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// WithDefaults returns o with every zero field set to its default.
func (o Options) WithDefaults() Options {
	setDefault(&o.MinSessionTimeout, 6*time.Second)
	setDefault(&o.MaxSessionTimeout, 30*time.Minute)
	setDefault(&o.InitialRebalanceDelay, 3*time.Second)
	setDefault(&o.MaxMembers, math.MaxInt32)
	setDefault(&o.MaxGroupBytes, 8<<20)
	setDefault(&o.MaxGroups, 100_000)
	setDefault(&o.NewMemberJoinTimeout, 5*time.Minute)
	setDefault(&o.OffsetRetention, 7*24*time.Hour)
	setDefault(&o.RetentionInterval, 10*time.Minute)
	return o
}

// maxGroupBytes keeps a group's record well below what one command of a shard's log may hold.
const maxGroupBytes = 24 << 20

// Validate says what is wrong with options that have their defaults.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.MinSessionTimeout > 0 && o.MaxSessionTimeout >= o.MinSessionTimeout,
		"group.min.session.timeout.ms is %v and group.max.session.timeout.ms %v: they must be positive and in order",
		o.MinSessionTimeout, o.MaxSessionTimeout)
	check(o.MaxMembers > 0, "group.max.size is %d, must be positive", o.MaxMembers)
	check(o.MaxGroupBytes > 0 && o.MaxGroupBytes <= maxGroupBytes, "bytes of a group are %d, must lie in 1..%d",
		o.MaxGroupBytes, maxGroupBytes)
	check(o.MaxGroups > 0, "groups of a coordinator are %d, must be positive", o.MaxGroups)
	check(o.NewMemberJoinTimeout > 0, "new-member join time-out is %v, must be positive", o.NewMemberJoinTimeout)
	check(o.OffsetRetention > 0, "offsets.retention.minutes is %v, must be positive", o.OffsetRetention)
	check(o.RetentionInterval > 0, "offsets.retention.check.interval.ms is %v, must be positive", o.RetentionInterval)
	return errors.Join(errs...)
}

// initialDelay is the delay of an empty group's first rebalance.
func (o *Options) initialDelay() time.Duration { return max(o.InitialRebalanceDelay, 0) }
