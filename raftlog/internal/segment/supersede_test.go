package segment

import (
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// TestSupersedingEntryMayHaveALowerTerm: a follower may hold an entry of a leader that lost, and be given, by a later
// leader, one of an earlier term at the same index. (Found by simulation seed 30 of raftlog.)
func TestSupersedingEntryMayHaveALowerTerm(t *testing.T) {
	for _, roll := range []bool{false, true} {
		fs := vfs.NewFault(1)
		l, err := Create(testOptions(fs), 1, 1, HardState{Term: 1})
		if err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(fs.SyncDir("")) // the directory above the log's is not its own
		must(l.Append(&HardState{Term: 5}, append(entries(2, 4, 4, 50), entries(5, 6, 5, 50)...)))
		if roll {
			must(l.Roll())
		}
		want := append(entries(2, 5, 4, 50), entries(6, 8, 7, 50)...)
		must(l.Append(&HardState{Term: 9}, want[3:]))
		must(l.Sync())
		mustHold(t, l, want)
		l.Abandon()
		again, _, err := Open(testOptions(fs.Reboot(vfs.DropUnsynced)), Floor{Index: 1, Term: 1})
		must(err)
		mustHold(t, again, want)
		must(again.Close())
	}
}
