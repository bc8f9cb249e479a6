package group

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/rocketcore/message"
)

func queue(n int32) message.Queue { return message.Queue{Topic: orders, Number: n} }

// commit commits one offset as nobody in particular.
func commit(h *Host, group string, q message.Queue, offset int64) Answer[error] {
	return h.Commit(&Commit{Group: group, Generation: -1}, []Progress{
		{Queue: q, Offset: message.Offset(offset), LeaderEpoch: -1, Expires: ByGroup}})
}

func mustCommit(t *testing.T, h *Host, group string, q message.Queue, offset int64) {
	t.Helper()
	if err, ok := commit(h, group, q, offset).Wait(t.Context(), nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

// TestCommitsAreStoredTogether: while one write is on its way, the next ones gather; whoever asks for offsets sees what was
// committed before.
func TestCommitsAreStoredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{})
		defer h.Close()
		release := k.hold()
		var answers []Answer[error]
		for i := range 100 {
			answers = append(answers, commit(h, "g", queue(0), int64(i)))
			if i == 0 {
				synctest.Wait()
			}
		}
		settled := make(chan error)
		go func() { settled <- h.Settle(t.Context()) }()
		synctest.Wait()
		k.late = append(k.late, PutProgress{"g", Progress{Queue: queue(1), Offset: 5}})
		release()
		if err := <-settled; err != nil {
			t.Fatal(err)
		}
		if p, ok := k.Progress("g", queue(0)); !ok || p.Offset != 99 || k.stores != 2 {
			t.Errorf("%+v after %d writes", p, k.stores)
		}
		if p, ok := k.Progress("g", queue(1)); !ok || p.Offset != 5 {
			t.Errorf("what was taken without an answer is not there: %+v", p)
		}
		for _, a := range answers {
			if err, ok := a.Wait(t.Context(), nil); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	})
}

// TestCommitFails: offsets that could not be stored are an error to their sender, and to nobody else.
func TestCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{})
		defer h.Close()
		k.failNext(errDisk)
		if err, _ := commit(h, "g", queue(0), 1).Wait(t.Context(), nil); !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
		mustCommit(t, h, "g", queue(0), 2)
		if err, _ := h.Commit(&Commit{Group: "g", Generation: 3}, nil).Wait(t.Context(), nil); !errors.Is(err, ErrUnknownMember) {
			t.Errorf("a member of a group that has none: %v", err)
		}
		k.lead(7)
		if err, _ := commit(h, "g", queue(0), 3).Wait(t.Context(), nil); !errors.Is(err, ErrNotCoordinator) {
			t.Errorf("under another leadership: %v", err)
		}
		if p, _ := k.Progress("g", queue(0)); p.Offset != 2 {
			t.Errorf("it was stored: %+v", p)
		}
	})
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{OffsetRetention: 24 * time.Hour})
		defer h.Close()
		mustCommit(t, h, "simple", queue(0), 1)
		mustCommit(t, h, "simple", message.Queue{Topic: message.TopicID{9}}, 1) // of a topic that is gone
		k.mu.Lock()
		k.step(PutProgress{"rocket", Progress{Queue: queue(0)}})
		k.mu.Unlock()
		time.Sleep(23 * time.Hour)
		mustCommit(t, h, "simple", queue(0), 1) // once more
		if n := len(k.GroupProgress("simple")); n != 2 {
			t.Errorf("too early: %d are left", n)
		}
		time.Sleep(80 * time.Minute)
		if p := k.GroupProgress("simple"); len(p) != 1 || p[0].Queue != queue(0) {
			t.Errorf("left are %+v", p)
		}
		time.Sleep(22 * time.Hour)
		if _, err := h.Describe("simple"); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
		if d, err := h.Describe("simple"); !errors.Is(err, ErrUnknownGroup) || d.State != Dead {
			t.Errorf("%+v, %v", d, err)
		}
		if listed, err := h.List([]State{Empty}); err != nil || len(listed) != 1 || listed[0].Group != "rocket" {
			t.Errorf("%+v, %v", listed, err)
		}

		// A group that had members goes when it has been empty for a day, and its record with it.
		c := newCrew(t, h)
		c.start("a", false)
		time.Sleep(5 * time.Second)
		id, generation, _ := c.all["a"].get()
		if err, _ := h.Commit(&Commit{Group: "g", Member: id, Generation: generation}, []Progress{{Queue: queue(0), Expires: ByGroup}}).
			Wait(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		c.end()
		time.Sleep(23 * time.Hour)
		if n := len(k.GroupProgress("g")); n != 1 {
			t.Errorf("%d are left", n)
		}
		time.Sleep(2 * time.Hour)
		if _, err := h.Describe("g"); !errors.Is(err, ErrUnknownGroup) || len(k.records) != 0 {
			t.Errorf("%v, %d records", err, len(k.records))
		}
	})
}

// TestRetentionAndCommits: an offset that was committed again since it was found too old stays.
func TestRetentionAndCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{OffsetRetention: time.Hour, RetentionInterval: 2 * time.Hour})
		defer h.Close()
		mustCommit(t, h, "g", queue(0), 1)
		time.Sleep(2*time.Hour - 10*time.Millisecond)
		release := k.hold()
		a := commit(h, "g", queue(0), 2) // on its way when retention looks
		time.Sleep(20 * time.Millisecond)
		release()
		if err, _ := a.Wait(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if p, ok := k.Progress("g", queue(0)); !ok || p.Offset != 2 {
			t.Errorf("%+v, %v", p, ok)
		}
	})
}

func TestDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{})
		defer h.Close()
		c := newCrew(t, h)
		defer c.end()
		c.start("a", false)
		time.Sleep(5 * time.Second)
		mustCommit(t, h, "simple", queue(0), 1)
		mustCommit(t, h, "simple", queue(1), 1)
		deleteOf := func(group string, queues ...message.Queue) OffsetsDeleted {
			d, _ := h.DeleteOffsets(group, []OffsetDelete{{"orders", queues}}).Wait(t.Context(), nil)
			return d
		}
		if d := deleteOf("simple", queue(1), queue(7)); d.Err != nil || d.Topics[0] != nil || len(k.GroupProgress("simple")) != 1 {
			t.Errorf("%+v", d)
		}
		if d := deleteOf("g", queue(1)); d.Err != nil || !errors.Is(d.Topics[0], ErrSubscribed) {
			t.Errorf("%+v", d)
		}
		if d := deleteOf("nobody", queue(1)); !errors.Is(d.Err, ErrUnknownGroup) {
			t.Errorf("%+v", d)
		}
		errs, _ := h.Delete([]string{"simple", "g", "nobody"}).Wait(t.Context(), nil)
		if errs[0] != nil || !errors.Is(errs[1], ErrNonEmptyGroup) || !errors.Is(errs[2], ErrUnknownGroup) || k.HasProgress("simple") {
			t.Errorf("%v", errs)
		}
		if errs, _ := h.Delete([]string{"nobody"}).Wait(t.Context(), nil); !errors.Is(errs[0], ErrUnknownGroup) {
			t.Errorf("%v", errs)
		}
		k.failNext(errDisk)
		mustFail := func(errs []error) {
			t.Helper()
			if !errors.Is(errs[0], errDisk) {
				t.Errorf("%v", errs)
			}
		}
		c.kill("a")
		time.Sleep(20 * time.Second) // the first write after the failure is that of the empty group
		mustCommit(t, h, "simple", queue(0), 1)
		k.failNext(errDisk)
		errs, _ = h.Delete([]string{"simple"}).Wait(t.Context(), nil)
		mustFail(errs)
	})
}
