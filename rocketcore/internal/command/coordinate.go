package command

import (
	"encoding/binary"

	"github.com/duolog/duolog/rocketcore/message"
)

// Coordinate is what a coordinator has decided: records of its own, and groups' progress. All of it is done, or nothing: if
// the entry's term is not Term, the coordinator was one of another leadership. Term 0 goes with any.
type Coordinate struct {
	Term  uint64
	Steps []Step
}

// Step is one change. Which fields count is said with the kinds.
type Step struct {
	Kind        uint8
	Name        string // the state's key, or the group
	Value       []byte
	Queue       message.Queue
	Offset      message.Offset
	LeaderEpoch int32
	Expires     int64
	Time        int64
	Metadata    string
}

// Kinds of steps.
const (
	StepPut       = 1 // Name, Value: which is not empty
	StepDelete    = 2 // Name
	StepCommit    = 3 // Name, Queue, Offset, LeaderEpoch, Expires, Metadata
	StepForget    = 4 // Name, Queue, Time: of the commit that is meant, 0 means whichever
	StepForgetAll = 5 // Name
)

// StepName names a kind, for inspectors.
func StepName(kind uint8) string {
	names := [...]string{
		StepPut: "put", StepDelete: "delete", StepCommit: "commit", StepForget: "forget", StepForgetAll: "forget-all",
	}
	if int(kind) < len(names) && kind > 0 {
		return names[kind]
	}
	return "unknown"
}

// AppendCoordinate begins a command: the term (8). Steps follow.
func AppendCoordinate(b []byte, term uint64) []byte { return binary.LittleEndian.AppendUint64(b, term) }

// AppendStep writes a step: kind (1), length of the name (2), the name, and then for a put: length (4) and value; a commit:
// queue (20), offset (8), leader epoch (4), expires (8), length of metadata (2), metadata; a forget: queue (20), time (8).
func AppendStep(b []byte, s *Step) []byte {
	le := binary.LittleEndian
	b = appendString(append(b, s.Kind), s.Name)
	switch s.Kind {
	case StepPut:
		b = le.AppendUint32(b, uint32(len(s.Value)))
		b = append(b, s.Value...)
	case StepCommit:
		b = appendQueue(b, s.Queue)
		b = le.AppendUint64(b, uint64(s.Offset))
		b = le.AppendUint32(b, uint32(s.LeaderEpoch))
		b = le.AppendUint64(b, uint64(s.Expires))
		b = appendString(b, s.Metadata)
	case StepForget:
		b = appendQueue(b, s.Queue)
		b = le.AppendUint64(b, uint64(s.Time))
	}
	return b
}

// DecodeCoordinate reads what AppendCoordinate and AppendStep wrote. Values share b's memory.
func DecodeCoordinate(b []byte) (Coordinate, error) {
	r := reader{b: b}
	c := Coordinate{Term: uint64(r.i64())}
	for len(r.b) > 0 && !r.failed {
		s := Step{Kind: r.u8(), Name: string(r.bytes(int(r.u16())))}
		switch s.Kind {
		case StepPut:
			s.Value = r.bytes(r.count(1))
			r.failed = r.failed || len(s.Value) == 0
		case StepCommit:
			s.Queue, s.Offset, s.LeaderEpoch, s.Expires = r.queue(), message.Offset(r.i64()), int32(r.u32()), r.i64()
			s.Metadata = string(r.bytes(int(r.u16())))
		case StepForget:
			s.Queue, s.Time = r.queue(), r.i64()
		case StepDelete, StepForgetAll:
		default:
			r.failed = true
		}
		c.Steps = append(c.Steps, s)
	}
	return c, r.end()
}
