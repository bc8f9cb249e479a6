package bounds

import (
	"syscall"
	"testing"
)

// raiseFileLimit lets this process open n files, or as many as the system grants, and returns how many that is.
func raiseFileLimit(t *testing.T, n int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < uint64(n) {
		limit.Cur = min(uint64(n), limit.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	if limit.Cur < uint64(n) {
		t.Logf("the system grants %d open files, %d were wanted", limit.Cur, n)
	}
	return int(min(limit.Cur, uint64(n)))
}
