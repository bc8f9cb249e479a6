package states

import (
	"fmt"
	"testing"
)

func TestTable(t *testing.T) {
	table := New()
	value := []byte("one")
	table.Put("a/1", value)
	value[0] = 'X'
	table.Put("a/2", []byte("two"))
	table.Put("b/1", []byte("other"))
	if v, ok := table.Get("a/1"); !ok || string(v) != "one" {
		t.Errorf("%q, %v", v, ok)
	}
	if got := fmt.Sprint(table.Keys("a/"), table.Keys(""), table.Keys("c")); got != "[a/1 a/2] [a/1 a/2 b/1] []" {
		t.Error(got)
	}
	if table.Delete("c") || !table.Delete("a/2") || table.Len() != 2 {
		t.Error("deletion")
	}
}

// TestFrozen: a frozen state is written as it was, whatever changes meanwhile.
func TestFrozen(t *testing.T) {
	table := New()
	table.Put("changed", []byte("before"))
	table.Put("deleted", []byte("before"))
	table.Put("kept", []byte("before"))
	f := table.Tracker.Freeze()
	table.Put("changed", []byte("after"))
	table.Put("new", []byte("after"))
	table.Delete("deleted")
	emit := func(got map[string]string) func(string, []byte) {
		return func(key string, form []byte) {
			if form == nil {
				got[key] = "gone"
			} else {
				got[key] = string(form)
			}
		}
	}
	got := map[string]string{}
	for f.Next(2, table.Encode, emit(got)) {
	}
	if fmt.Sprint(got) != "map[changed:before deleted:before kept:before]" {
		t.Error(got)
	}
	table.Tracker.Release(true)
	f = table.Tracker.Freeze()
	got = map[string]string{}
	for f.Next(2, table.Encode, emit(got)) {
	}
	if fmt.Sprint(got) != "map[changed:after deleted:gone new:after]" {
		t.Error(got)
	}
	again := New()
	again.Restore("changed", table.Encode("changed"))
	if v, _ := again.Get("changed"); string(v) != "after" {
		t.Errorf("%q", v)
	}
}
