package command

import (
	"encoding/binary"

	"github.com/duolog/duolog/rocketcore/message"
)

// Commit is one committed offset in a CommitProgress.
type Commit struct {
	Group       string
	Queue       message.Queue
	Offset      message.Offset
	LeaderEpoch int32
	Rewind      bool
	Metadata    string
}

const commitBytes = queueBytes + 8 + 4 + 1 + 2

// EncodeCommits writes commits, those of one group side by side sharing its name: for each group a length (2), the name, a
// count (4), and for each commit queue (20), offset (8), leader epoch (4), flags (1, bit 0 = rewind), length of metadata (2),
// metadata. Names and metadata are shorter than 64 KiB.
func EncodeCommits(commits []Commit) []byte {
	le := binary.LittleEndian
	var b []byte
	for len(commits) > 0 {
		group, n := commits[0].Group, 1
		for n < len(commits) && commits[n].Group == group {
			n++
		}
		b = appendString(b, group)
		b = le.AppendUint32(b, uint32(n))
		for _, c := range commits[:n] {
			b = appendQueue(b, c.Queue)
			b = le.AppendUint64(b, uint64(c.Offset))
			b = le.AppendUint32(b, uint32(c.LeaderEpoch))
			flags := uint8(0)
			if c.Rewind {
				flags = 1
			}
			b = append(b, flags)
			b = appendString(b, c.Metadata)
		}
		commits = commits[n:]
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
}

// DecodeCommits reads what EncodeCommits wrote.
func DecodeCommits(b []byte) ([]Commit, error) {
	r := reader{b: b}
	var commits []Commit
	for len(r.b) > 0 && !r.failed {
		group := string(r.bytes(int(r.u16())))
		for range r.count(commitBytes) {
			c := Commit{Group: group, Queue: r.queue(), Offset: message.Offset(r.i64()), LeaderEpoch: int32(r.u32())}
			c.Rewind = r.u8()&1 != 0
			c.Metadata = string(r.bytes(int(r.u16())))
			commits = append(commits, c)
		}
	}
	return commits, r.end()
}

// DeleteProgress forgets a group's progress in some queues, or in all.
type DeleteProgress struct {
	Group  string
	All    bool
	Queues []message.Queue
}

// Encode writes the length of the group's name (2), the name, 1 for all (1), and the queues.
func (d *DeleteProgress) Encode() []byte {
	b := appendString(nil, d.Group)
	all := uint8(0)
	if d.All {
		all = 1
	}
	return append(append(b, all), EncodeQueues(d.Queues)...)
}

// DecodeDeleteProgress reads what Encode wrote.
func DecodeDeleteProgress(b []byte) (DeleteProgress, error) {
	r := reader{b: b}
	d := DeleteProgress{Group: string(r.bytes(int(r.u16()))), All: r.u8() != 0}
	if r.failed {
		return d, ErrUndecodable
	}
	var err error
	d.Queues, err = DecodeQueues(r.b)
	return d, err
}
