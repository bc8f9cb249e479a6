package segment

// Entry is one log entry. Type is the caller's, 0 to MaxType.
type Entry struct {
	Index, Term uint64
	Time        int64 // log time, ms since 1970
	Type        uint8
	Payload     [][]byte // a gather list; one slice when read from disk, none when empty. Not modified, kept by the tail cache
	CRC         uint32   // CRC32C of the payload, if HasCRC; it is trusted
	HasCRC      bool
}

// Len is the length of the payload in bytes.
func (e *Entry) Len() int {
	n := 0
	for _, p := range e.Payload {
		n += len(p)
	}
	return n
}

// HardState is what a replica must not forget: the term it is in, whom it voted for, and what it knows to be committed.
type HardState struct{ Term, Vote, Commit uint64 }

// Place is where the payload of an entry lies.
type Place struct {
	Segment uint64 // sequence number
	Offset  uint32 // file offset of the payload's first byte
	Length  uint32 // bytes
}

// Floor is what the newest durable checkpoint vouches for.
type Floor struct {
	Index, Term uint64 // last entry contained in the checkpoint
	// Commit is an index known to be committed and durable in this log, at least Index; 0 means Index.
	Commit uint64
	// Older is the index of the checkpoint kept beside the newest; 0 where there is one only.
	Older uint64
}

// Recovered is what Open found.
type Recovered struct {
	Hard        HardState // newest; Commit is at least First-1 and at most Last
	First, Last uint64    // Last is First-1 in an empty log
	TornBytes   int64     // bytes cut from the tail, 0 if none
	TornFile    string    // the segment they were cut from
	TornOffset  int64     // where
	// PreviousBoot is the BootID of the process that wrote last.
	PreviousBoot string
	// TopType is the highest type of an entry behind the floor, superseded ones included; 0 where there is none.
	TopType uint8
	// CleanStop says that the log was closed in order.
	CleanStop bool
}

// Whole says whether everything that was ever written is there: the log was closed in order, or the machine has not been
// down since (same boot), in which case the kernel still had all writes. Where it is false and the log was not synced
// before it was acknowledged, acknowledged entries may be missing.
func (r Recovered) Whole(bootID string) bool {
	return r.CleanStop || (bootID != "" && r.PreviousBoot == bootID)
}

// Info describes one segment.
type Info struct {
	Sequence    uint64
	Name        string // file name in the log's directory
	First, Last uint64 // entries in effect; Last is First-1 where all are superseded, or none was written
	Bytes       int64  // used bytes, header included
	FileBytes   int64  // length of the file
	Closed      bool
	FirstTime   int64 // log time of the first entry, ms
	LastTime    int64 // log time of the last entry, ms
	Pinned      int
}

const (
	// MaxPayloadBytes is the longest payload of one entry.
	MaxPayloadBytes = 64 << 20
	// MaxType is the highest entry type a caller may use; higher ones are this package's own frames.
	MaxType = 0x7f
)
