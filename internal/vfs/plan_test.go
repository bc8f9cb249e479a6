package vfs

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// saver keeps a number in a file, replaced by rename. skip leaves one step out, to see whether enumeration notices.
type saver struct{ skip string }

func (s saver) do(step string, act func() error) error {
	if s.skip == step {
		return nil
	}
	return act()
}

func (s saver) save(sys FS, number int) error {
	name := "number.tmp"
	if s.skip == "temporary" {
		name = "number"
	}
	f, err := sys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%04d", number), 0)
	if err == nil {
		err = s.do("sync", f.SyncData)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if name != "number" {
		if err := sys.Rename(name, "number"); err != nil {
			return err
		}
	}
	return s.do("syncdir", func() error { return sys.SyncDir("") })
}

// run saves 1, 2 and 3 and returns the last number that was acknowledged.
func (s saver) run(sys FS) (acknowledged int) {
	for number := 1; number <= 3; number++ {
		if s.save(sys, number) != nil {
			return number - 1
		}
	}
	return 3
}

// judge says what is wrong when acknowledged was promised.
func (s saver) judge(t *testing.T, sys FS, acknowledged int) string {
	if !exists(t, sys, "number") {
		if acknowledged > 0 {
			return "gone"
		}
		return ""
	}
	text := contents(t, sys, "number")
	number, err := strconv.Atoi(text)
	switch {
	case err != nil || len(text) != 4:
		return "damaged"
	case number < acknowledged || number > acknowledged+1:
		return "wrong"
	}
	return ""
}

func TestPlanFindsMissingSteps(t *testing.T) {
	for _, c := range []struct{ skip, finds string }{
		{"", ""},
		{"sync", "damaged"},
		{"syncdir", "gone wrong"},
		{"temporary", "damaged"},
	} {
		t.Run("without "+c.skip, func(t *testing.T) {
			s := saver{skip: c.skip}
			found := map[string]bool{}
			trials, wordings := 0, map[string]bool{}
			for trial := range (Plan{Seed: 5, After: true}).Trials() {
				trials++
				acknowledged := s.run(trial.FS)
				wordings[trial.String()] = true
				for loss, after := range trial.Reboots() {
					if fault := s.judge(t, after, acknowledged); fault != "" {
						found[fault] = true
						if c.finds == "" {
							t.Errorf("%s, %s: %s", trial, loss, fault)
						}
					}
				}
			}
			check(t, strings.Join(slices.Sorted(maps.Keys(found)), " "), c.finds)
			check(t, len(wordings), trials)
			if c.skip == "" { // 3 × (create, write with 3 tears, sync, rename, syncdir), each before and after, and the last
				check(t, trials, 3*(5+5+3)+1)
			}
		})
	}
}

// TestPlanFromBase crashes the second run, wherever the first one left off.
func TestPlanFromBase(t *testing.T) {
	for first := range (Plan{Seed: 1, Losses: []Loss{RandomLoss(3)}}).Trials() {
		acknowledged := saver{}.run(first.FS)
		for _, base := range first.Reboots() {
			for second := range (Plan{Base: base, Losses: []Loss{DropUnsynced}}).Trials() {
				again := max(acknowledged, saver{}.run(second.FS)-2) // the second run starts from 1 again
				for _, after := range second.Reboots() {
					if again > 0 && !exists(t, after, "number") {
						t.Fatalf("%s, then %s: gone", first, second)
					}
				}
			}
		}
	}
}

func TestPlanOfErrors(t *testing.T) {
	boom := errors.New("boom")
	trials := 0
	for trial := range (Plan{Error: boom, Prepare: func(sys *Fault) { _ = sys.MkdirAll("made/before") }}).Trials() {
		trials++
		acknowledged := saver{}.run(trial.FS)
		_, fired := trial.FS.Fired()
		check(t, fired, acknowledged < 3)
		check(t, trial.FS.Crashed(), false)
		check(t, exists(t, trial.FS, path.Join("made", "before")), true)
		for loss, after := range trial.Reboots() {
			if fault := (saver{}).judge(t, after, acknowledged); fault != "" && exists(t, after, "made") {
				t.Errorf("%s, %s: %s", trial, loss, fault)
			}
		}
	}
	check(t, trials, 3*(5+3)+1)
}

func TestPlanPicksOperations(t *testing.T) {
	var met []int
	for trial := range (Plan{First: 2, Stride: 5, Tears: -1}).Trials() {
		saver{}.run(trial.FS)
		met = append(met, trial.Point.Op)
	}
	check(t, fmt.Sprint(met), "[2 7 12 17]")
	for range (Plan{}).Trials() { // a body that does nothing ends it
	}
}

func TestTears(t *testing.T) {
	for bytes, want := range []string{"[]", "[]", "[1]", "[1 2]", "[1 2 3]"} {
		check(t, fmt.Sprint(Plan{}.tears(0, bytes)), want)
	}
	check(t, len(Plan{Tears: 10}.tears(0, 1000)), 10)
	check(t, len(Plan{Tears: -1}.tears(0, 1000)), 0)
}
