package broker

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore"
)

// spaceFS is a disk of which the test says how full it is.
type spaceFS struct {
	vfs.FS
	mu   sync.Mutex // guards the rest
	free uint64     // of 100 bytes
	err  error
}

func (f *spaceFS) Space(string) (free, total uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.free, 100, f.err
}

func (f *spaceFS) set(free uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free, f.err = free, err
}

func TestWritesStopAtTheWatermark(t *testing.T) {
	var text bytes.Buffer
	fs := &spaceFS{free: 50}
	d := newDiskWatch(Options{FS: fs, DataDir: "d", DiskWatermark: 95, Logger: slog.New(slog.NewTextHandler(&text, nil))}, nil)
	steps := []struct {
		free    uint64
		err     error
		refuses bool
		says    string
	}{
		{free: 50},
		{free: 10, says: "nearly full"},
		{free: 9},
		{free: 5, refuses: true, says: "writes are refused"},
		{free: 4, refuses: true},
		{err: errors.New("no answer"), refuses: true, says: "can't be told"},
		{err: errors.New("no answer"), refuses: true},
		{free: 6, says: "taken again"},
		{free: 50},
	}
	for i, step := range steps {
		text.Reset()
		fs.set(step.free, step.err)
		d.look()
		if got := d.full(); (got != nil) != step.refuses || got != nil && !errors.Is(got, rocketcore.ErrDiskFull) {
			t.Errorf("step %d: refused with %v, wanted to be refused: %v", i, got, step.refuses)
		}
		if got := text.String(); (step.says == "") != (got == "") || !strings.Contains(got, step.says) {
			t.Errorf("step %d: the log says %q, want %q", i, got, step.says)
		}
	}
	fs.set(4, nil)
	d.look()
	if text := d.full().Error(); !strings.Contains(text, "96 % full, limit 95 % (log.disk.high.watermark)") {
		t.Error(text)
	}
}
