package segment

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

var update = flag.Bool("update", false, "write the scripts' results anew")

// Scripts in testdata/recovery tell what a log does after a crash or damage. A script is blocks: commands, a line of
// dashes, and what they print, ended by an empty line. Segments are named by sequence number.
func TestRecoveryScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/recovery/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			must(t, err)
			got := runScript(t, string(text))
			if *update {
				must(t, os.WriteFile(name, []byte(got), 0o644))
			} else if got != string(text) {
				t.Errorf("%s should read:\n%s", name, got)
			}
		})
	}
}

// runScript returns the script with its results as they are.
func runScript(t *testing.T, text string) string {
	s := &script{fs: vfs.NewFault(1)}
	prepareDisk(s.fs)
	s.o = testOptions(s.fs)
	var out strings.Builder
	inResult := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "----":
			inResult = true
			out.WriteString("----\n" + s.out.String() + "\n")
			s.out.Reset()
		case inResult:
			inResult = line != ""
		default:
			out.WriteString(line + "\n")
			if line != "" && line[0] != '#' {
				s.run(t, line)
			}
		}
	}
	return out.String()
}

type script struct {
	fs  *vfs.Fault
	o   Options
	log *Log
	out strings.Builder
}

// args are the words of a command: name=value, or a bare name.
type args map[string]string

func (a args) num(name string, def uint64) uint64 {
	v, ok := a[name]
	if !ok {
		return def
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (s *script) run(t *testing.T, line string) {
	words := strings.Fields(line)
	a := args{}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		a[name] = value
	}
	do, ok := map[string]func(args) error{
		"create": s.create, "open": s.open, "append": s.append, "hard": s.hard, "sync": s.sync, "commit": s.commit, "roll": s.roll,
		"close": s.close, "power": s.power, "kill": s.kill, "entries": s.entries, "segments": s.segments, "dump": s.dump,
		"damage": s.damage, "zero": s.zero, "remove": s.remove, "shorten": s.shorten, "checkpoint": s.checkpoint,
		"compact": s.compact, "files": s.files, "read": s.read, "verify": s.verify, "fail": s.fail, "begin": s.begin,
	}[words[0]]
	if !ok {
		t.Fatalf("no command %q", words[0])
	}
	if err := do(a); err != nil {
		fmt.Fprintf(&s.out, "%s: %v\n", words[0], err)
	}
}

func (s *script) create(a args) (err error) {
	base := a.num("base", 1)
	s.log, err = Create(s.o, base, 1, HardState{Term: 1, Commit: base})
	return err
}

func (s *script) open(a args) error {
	s.o.FS = s.fs
	s.o.BootID = "boot-2"
	if a["uid"] != "" {
		s.o.UID = [16]byte([]byte(a["uid"] + "................")[:16])
	}
	floor := Floor{Index: a.num("floor", 1), Term: a.num("term", 1), Commit: a.num("commit", 0), Older: a.num("older", 0)}
	l, rec, err := Open(s.o, floor)
	if err != nil {
		return err
	}
	s.log = l
	fmt.Fprintf(&s.out, "entries %d to %d, hard state %+v", rec.First, rec.Last, rec.Hard)
	if rec.TornBytes > 0 {
		fmt.Fprintf(&s.out, ", cut %d bytes at %d of %s", rec.TornBytes, rec.TornOffset, path.Base(rec.TornFile))
	}
	fmt.Fprintf(&s.out, ", clean %v, whole %v\n", rec.CleanStop, rec.Whole(s.o.BootID))
	return nil
}

func (s *script) append(a args) error {
	var hard *HardState
	if a["term"] != "" && a["vote"] != "" {
		hard = &HardState{a.num("term", 0), a.num("vote", 0), a.num("commit", 0)}
	}
	from := a.num("from", 0)
	if from == 0 {
		return s.log.Append(hard, nil)
	}
	return s.log.Append(hard, entries(from, a.num("to", from), a.num("term", 1), int(a.num("bytes", 40))))
}

func (s *script) hard(a args) error {
	return s.log.Append(&HardState{a.num("term", 0), a.num("vote", 0), a.num("commit", 0)}, nil)
}

func (s *script) sync(args) error  { return s.log.Sync() }
func (s *script) roll(args) error  { return s.log.Roll() }
func (s *script) close(args) error { return s.log.Close() }

func (s *script) commit(a args) error {
	s.log.SetCommit(a.num("to", 0))
	return nil
}

func (s *script) checkpoint(a args) error {
	s.log.SetFloor(a.num("at", 0))
	return nil
}

func (s *script) compact(a args) error { return s.log.Compact(a.num("keep", 0)) }

// power cuts the power: everything unsynced is dropped, or kept with the word keep.
func (s *script) power(a args) error {
	loss := vfs.DropUnsynced
	if _, keep := a["keep"]; keep {
		loss = vfs.KeepUnsynced
	}
	s.log.Abandon()
	s.fs = s.fs.Reboot(loss)
	return nil
}

func (s *script) kill(args) error {
	s.log.Abandon()
	s.fs = s.fs.Reboot(vfs.ProcessCrash)
	return nil
}

func (s *script) fail(a args) error {
	kind := map[string]vfs.Kind{"write": vfs.OpWrite, "sync": vfs.OpSync}[a["next"]]
	s.fs.Inject(vfs.Rule{Kind: kind, Times: 1, Err: errors.New("input/output error")})
	return nil
}

func (s *script) entries(args) error {
	return s.log.Scan(s.log.First(), func(e Entry, p Place) error {
		fmt.Fprintf(&s.out, "%d term %d, segment %d at %d, %d bytes\n", e.Index, e.Term, p.Segment, p.Offset, p.Length)
		return nil
	})
}

func (s *script) read(a args) error {
	e, err := s.log.ReadEntry(a.num("entry", 0))
	if err == nil {
		fmt.Fprintf(&s.out, "%d term %d, %d bytes\n", e.Index, e.Term, e.Len())
	}
	return err
}

func (s *script) segments(args) error {
	for _, i := range s.log.Segments() {
		fmt.Fprintf(&s.out, "%d %s: entries %d to %d, %d bytes, closed %v\n", i.Sequence, i.Name, i.First, i.Last, i.Bytes, i.Closed)
	}
	return nil
}

func (s *script) files(args) error {
	names, err := s.fs.List(s.o.Dir)
	fmt.Fprintln(&s.out, strings.Join(names, " "))
	return err
}

// name finds a segment's file by its sequence number.
func (s *script) name(a args) string {
	names, err := s.fs.List(s.o.Dir)
	if err != nil {
		panic(err)
	}
	for _, n := range names {
		if _, sequence, ok := parseName(n); ok && sequence == a.num("segment", 1) {
			return path.Join(s.o.Dir, n)
		}
	}
	return path.Join(s.o.Dir, "no-such-segment")
}

func (s *script) dump(a args) error {
	h, stop, err := Inspect(s.fs, s.name(a), func(f Frame) error {
		fmt.Fprintf(&s.out, "%5d %-5s index %d term %d commit %d synced %d, %d bytes", f.Offset, f.Kind, f.Index, f.Term, f.Commit, f.Synced, len(f.Payload))
		if f.Hard != nil {
			fmt.Fprintf(&s.out, " %+v", *f.Hard)
		}
		if f.Kind == KindBoot {
			fmt.Fprintf(&s.out, " %s cut %d", f.BootID, f.Cut)
		}
		s.out.WriteByte('\n')
		return nil
	})
	fmt.Fprintf(&s.out, "%5d end: %s; torn %d, damaged %v; first %d after term %d, previous %d to %d at %d\n",
		stop.Offset, stop.Why, stop.Torn, stop.Damaged, h.First, h.TermBefore, h.PreviousSequence, h.PreviousLast, h.PreviousEnd)
	return err
}

// damage flips a bit of a byte of a segment, or of its offsets table with the word table.
func (s *script) damage(a args) error {
	name := s.name(a)
	if _, ok := a["table"]; ok {
		name = strings.TrimSuffix(name, logSuffix) + tableSuffix
	}
	return s.fs.FlipBit(name, int64(a.num("at", 0)), 0)
}

func (s *script) zero(a args) error {
	f, err := s.fs.OpenReadWrite(s.name(a))
	if err != nil {
		return err
	}
	from := a.num("from", 0)
	_, err = f.WriteAt(make([]byte, a.num("to", 0)-from), int64(from))
	return errors.Join(err, f.Sync(), f.Close())
}

func (s *script) shorten(a args) error {
	f, err := s.fs.OpenReadWrite(s.name(a))
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(int64(a.num("to", 0))), f.Sync(), f.Close())
}

func (s *script) remove(a args) error {
	name := s.name(a)
	if _, ok := a["table"]; ok {
		name = strings.TrimSuffix(name, logSuffix) + tableSuffix
	}
	return errors.Join(s.fs.Remove(name), s.fs.SyncDir(s.o.Dir))
}

// begin makes another empty disk.
func (s *script) begin(a args) error {
	s.fs = vfs.NewFault(1)
	prepareDisk(s.fs)
	s.o = testOptions(s.fs)
	s.o.Spare = int(a.num("spare", 0))
	return nil
}

func (s *script) verify(args) error {
	r, err := Verify(s.fs, s.o.Dir)
	fmt.Fprintf(&s.out, "%d segments, entries %d to %d, hard state %+v, clean %v, torn %d\n", len(r.Segments), r.First, r.Last, r.Hard, r.Clean, r.Torn.Torn)
	for _, p := range r.Problems {
		fmt.Fprintln(&s.out, p)
	}
	return err
}
