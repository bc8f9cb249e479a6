package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/duolog/duolog/internal/vfs"
)

// listStates is what a coordinator would load.
func listStates(t *testing.T, s *Store, prefix string) string {
	t.Helper()
	var out []string
	if err := s.States(prefix, func(key string, value []byte) error {
		out = append(out, key+"="+string(value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestCoordinate(t *testing.T) {
	fs := vfs.NewMemory()
	s, err := Open(testConfig(fs))
	if err != nil {
		t.Fatal(err)
	}
	ctx, q := testContext(t), testQueue(1, 0)
	term, leads := s.Leadership()
	if !leads || term == 0 {
		t.Fatalf("term %d, leads %v", term, leads)
	}
	c := NewChange(term)
	c.Put("a/1", []byte("one"))
	c.Put("a/2", []byte("two"))
	c.Put("b/1", []byte("other"))
	c.Commit("g", Progress{Queue: q, Offset: 5, LeaderEpoch: 2, Metadata: "m", Expires: -1})
	c.Delete(strings.Repeat("k", maxKeyBytes+1))
	c.ForgetAll(strings.Repeat("g", maxGroupBytes+1))
	c.Forget(strings.Repeat("g", maxGroupBytes+1), q, 0)
	if err := s.Coordinate(ctx, c); err != nil {
		t.Fatal(err)
	}
	stale := NewChange(term + 1)
	stale.Put("a/1", []byte("stale"))
	if err := s.Coordinate(ctx, stale); !errors.Is(err, ErrNotLeader) {
		t.Errorf("of another leadership: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, testConfig(fs))
	if got := listStates(t, s, "a/"); got != "a/1=one a/2=two" {
		t.Error(got)
	}
	if p, ok := s.Progress("g", q); !ok || p.Offset != 5 || p.LeaderEpoch != 2 || p.Metadata != "m" || p.Expires != -1 || p.CommitTime == 0 {
		t.Errorf("%+v, %v", p, ok)
	}
	if !s.HasProgress("g") || s.HasProgress("h") {
		t.Error("who has progress?")
	}
	stop := errors.New("stop")
	if err := s.States("", func(string, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestCoordinateBounds(t *testing.T) {
	s := openStore(t, testConfig(vfs.NewMemory()))
	for name, tc := range map[string]struct {
		step func(*Change)
		want error
	}{
		"key":      {func(c *Change) { c.Put(strings.Repeat("k", maxKeyBytes+1), []byte("v")) }, ErrTooLarge},
		"empty":    {func(c *Change) { c.Put("k", nil) }, ErrTooLarge},
		"value":    {func(c *Change) { c.Put("k", make([]byte, s.options.Log.CommandBytes)) }, ErrTooLarge},
		"group":    {func(c *Change) { c.Commit(strings.Repeat("g", maxGroupBytes+1), Progress{}) }, ErrTooLarge},
		"metadata": {func(c *Change) { c.Commit("g", Progress{Metadata: strings.Repeat("m", maxMetadataBytes+1)}) }, ErrTooLarge},
		"offset":   {func(c *Change) { c.Commit("g", Progress{Offset: -1}) }, ErrOffsetOutOfRange},
		"fits":     {func(c *Change) { c.Put(strings.Repeat("k", 30_000), []byte("v")) }, nil},
	} {
		c := NewChange(0)
		c.Put("before", []byte("v"))
		tc.step(c)
		c.Put("after", []byte("v"))
		if err := s.Coordinate(testContext(t), c); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCoordinateVoidsLaterCommits: what CommitLater still holds is older than what a coordinator commits now.
func TestCoordinateVoidsLaterCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(testConfig(vfs.NewMemory()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		q, other := testQueue(1, 0), testQueue(1, 1)
		s.CommitLater("g", Progress{Queue: q, Offset: 9, Rewind: true})
		s.CommitLater("g", Progress{Queue: other, Offset: 9})
		c := NewChange(0)
		c.Commit("g", Progress{Queue: q, Offset: 3})
		if err := s.Coordinate(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if err := s.FlushProgress(context.Background()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range s.GroupProgress("g") {
			got = append(got, fmt.Sprint(p.Offset))
		}
		if strings.Join(got, " ") != "3 9" {
			t.Errorf("progress %v", got)
		}
	})
}
