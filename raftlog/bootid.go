package raftlog

import (
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// bootIDFile tells boots of a Linux machine apart; it changes at every start of the kernel.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// hostBootID reads the boot id if the log lies on this machine's disk and the system has one, and "" otherwise: then every
// restart counts as one after a machine crash, which is the safe side.
func hostBootID(fs vfs.FS) string {
	if _, real := fs.(vfs.Disk); !real {
		return ""
	}
	f, err := fs.Open(bootIDFile)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, 0) // io.EOF: the file is shorter
	return strings.TrimSpace(string(b[:n]))
}
