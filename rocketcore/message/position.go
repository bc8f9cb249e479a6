package message

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	ordinalBits = 20
	indexBits   = 43

	// MaxOrdinal is the greatest ordinal of a record in its log entry.
	MaxOrdinal = 1<<ordinalBits - 1
	// MaxIndex is the greatest index of a log entry that a Position can name.
	MaxIndex = 1<<indexBits - 1
)

// Position names one record of a shard for life: the sign bit clear, 43 bits index of its log entry, 20 bits ordinal of the
// record within the entry. It is what RocketMQ calls the commitlog offset: opaque to clients, who send it back.
type Position int64

// NewPosition joins an entry's index and a record's ordinal. Either out of range is a broken invariant and panics: the log
// bundles commands so that neither happens.
func NewPosition(index uint64, ordinal int) Position {
	if index > MaxIndex || ordinal < 0 || ordinal > MaxOrdinal {
		panic(fmt.Sprintf("position out of range: index %d, ordinal %d", index, ordinal))
	}
	return Position(index<<ordinalBits | uint64(ordinal))
}

// Index is the index of the log entry. Only meaningful if the position is Valid.
func (p Position) Index() uint64 { return uint64(p) >> ordinalBits }

// Ordinal is the record's number within the entry, from 0.
func (p Position) Ordinal() int { return int(p & MaxOrdinal) }

// Valid is false for what no log entry has: a negative number, as a client may send one, and index 0.
func (p Position) Valid() bool { return p > MaxOrdinal }

// String writes index and ordinal, as in "4711.3".
func (p Position) String() string {
	if p < 0 {
		return strconv.FormatInt(int64(p), 10)
	}
	return strconv.FormatUint(p.Index(), 10) + "." + strconv.Itoa(p.Ordinal())
}

// ParsePosition reads what String wrote, or the plain decimal number that RocketMQ tools show.
func ParsePosition(s string) (Position, error) {
	head, tail, dotted := strings.Cut(s, ".")
	index, err := strconv.ParseUint(head, 10, 63)
	if !dotted {
		if err != nil {
			return 0, fmt.Errorf("position %q is no number", s)
		}
		return Position(index), nil
	}
	ordinal, err2 := strconv.ParseUint(tail, 10, ordinalBits)
	if err != nil || err2 != nil || index > MaxIndex {
		return 0, fmt.Errorf("position %q is not index.ordinal", s)
	}
	return NewPosition(index, int(ordinal)), nil
}
