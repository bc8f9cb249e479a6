package raftlog

import (
	"path"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// Scan calls fn for every applied entry from index from on that carries machine commands, read from the disk and
// verified. Machines rebuild with it what they derived. The entry's bytes are valid until fn returns.
func (l *Log) Scan(from Index, fn func(e *Entry) error) error {
	applied := l.applied.Load()
	return l.ScanTo(from, Index(applied), fn)
}

// errScanned ends a scan early.
var errScanned = &scanned{}

type scanned struct{}

func (*scanned) Error() string { return "scanned as far as asked" }

// ScanTo is Scan up to and with entry to.
func (l *Log) ScanTo(from, to Index, fn func(e *Entry) error) error {
	err := l.seg().Scan(uint64(from), func(s segment.Entry, place Place) error {
		if s.Index > uint64(to) {
			return errScanned
		}
		if s.Type != frameNormal || s.Len() == 0 {
			return nil
		}
		e, err := decodeEntry(&s, place)
		if err != nil || len(e.Commands) == 0 || e.Commands[0].Kind >= firstOwnKind {
			return nil // Apply skipped it in the same way
		}
		return fn(&e)
	})
	if err == errScanned {
		return nil
	}
	return err
}

func (l *Log) segmentPath(name string) string {
	return path.Join(l.segmentOptions(l.files.Load().generation).Dir, name)
}

// describeChange renders a membership change for inspectors.
func describeChange(b []byte) string {
	change := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(b, change); err != nil {
		return "undecodable: " + err.Error()
	}
	return change.String()
}
