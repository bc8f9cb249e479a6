package raftlog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// TestPowerLossAfterKill kills the process at every file operation, starts it again, has it acknowledge something, and
// takes the power. What the killed process had renamed or written without syncing is seen by the next one, which must
// make it durable before it builds on it.
func TestPowerLossAfterKill(t *testing.T) {
	config := func(fs vfs.FS) (Config, *listMachine) {
		m := newListMachine()
		cfg := loneConfig(fs, m)
		cfg.Options.CheckpointBytes, cfg.Options.Foreground = 1<<40, true
		return cfg, m
	}
	write := func(fs vfs.FS, from, to int) (acked int) {
		cfg, _ := config(fs)
		l, err := Open(cfg)
		if err != nil {
			return from
		}
		defer l.Crash()
		for i := from; i < to; i++ {
			if _, err := l.Propose(set(fmt.Sprint(i), strings.Repeat("x", 9000))).Wait(context.Background()); err != nil {
				return i
			}
			if i%4 == 3 && (l.Checkpoint() != nil || l.Compact(l.Applied()) != nil) {
				return i + 1
			}
		}
		return to
	}
	for trial := range (vfs.Plan{Seed: 4, Losses: []vfs.Loss{vfs.ProcessCrash}}).Trials() {
		acked := write(trial.FS, 0, 8)
		for _, killed := range trial.Reboots() {
			if got := write(killed, 100, 102); got != 102 {
				t.Fatalf("%s: the next process writes %d of 2", trial, got-100)
			}
			for _, loss := range []vfs.Loss{vfs.DropUnsynced, vfs.DropEntries, vfs.RandomLoss(uint64(acked))} {
				cfg, m := config(killed.Reboot(loss))
				l, err := Open(cfg)
				if err != nil {
					t.Fatalf("%s, then %s: %v", trial, loss, err)
				}
				values := m.snapshot()
				for i := range acked {
					if values[fmt.Sprint(i)] == "" {
						t.Fatalf("%s, then %s: acknowledged %d of %d is gone", trial, loss, i, acked)
					}
				}
				if values["100"] == "" || values["101"] == "" {
					t.Fatalf("%s, then %s: what the second process acknowledged is gone", trial, loss)
				}
				l.Crash()
			}
		}
	}
}
