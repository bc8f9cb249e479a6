package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// idleGOGC lets the heap grow by half between collections while it is small; the runtime's 100 would cost an idle node
// memory that it does not need, and a busy one is bounded by the memory limit anyway.
const idleGOGC = 50

// limitMemory makes the collector respect what the machine or the control group grants, unless the environment says
// otherwise by GOMEMLIMIT or GOGC, and returns how much the process may take.
func limitMemory(log *slog.Logger) int64 {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(idleGOGC)
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit // GOMEMLIMIT
	}
	granted := grantedMemory(vfs.Disk{})
	if granted == math.MaxInt64 {
		return granted
	}
	limit := granted / 10 * 9
	debug.SetMemoryLimit(limit)
	log.Debug("memory limit set", "granted_bytes", granted, "limit_bytes", limit)
	return limit
}

// grantedMemory is the smallest of the machine's memory and the control group's limit (version 2, then 1), or MaxInt64
// where the system tells neither.
func grantedMemory(fs vfs.FS) int64 {
	granted := int64(math.MaxInt64)
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if n, err := strconv.ParseInt(strings.TrimSpace(firstLine(fs, file)), 10, 64); err == nil && n > 0 {
			granted = min(granted, n)
		}
	}
	// "MemTotal:       24684596 kB"
	if fields := strings.Fields(firstLine(fs, "/proc/meminfo")); len(fields) >= 2 {
		if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib > 0 {
			granted = min(granted, kib<<10)
		}
	}
	return granted
}

// firstLine reads the first line of a small system file, whose size the system does not tell; "" if there is none.
func firstLine(fs vfs.FS, name string) string {
	f, err := fs.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	text := make([]byte, 256)
	n, _ := f.ReadAt(text, 0) // a short read is the normal case
	line, _, _ := strings.Cut(string(text[:n]), "\n")
	return line
}
