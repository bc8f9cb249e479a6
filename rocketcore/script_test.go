package rocketcore

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

var update = flag.Bool("update", false, "write what scripts answer into testdata")

// TestScripts runs the scripts in testdata/apply against a machine that is fed by hand. A step is lines, "----", and the
// expected answer up to an empty line. A line is one entry of the log; its commands are separated by ";".
//
//	open 1/0 1/1                 topic/number
//	append 1/0 n=2 pid=7 epoch=0 seq=0 time=5 max=1000 logtime
//	trim 1/0 3 · delete 1/0 · commit group 1/0 5 rewind · forget group [1/0] · expire 500 · raw KIND VERSION HEX
//	coordinate TERM then any of  put:KEY:VALUE drop:KEY commit:GROUP:1/0:OFFSET:EXPIRES forget:GROUP:1/0:TIME forget-all:GROUP
//
// Other lines are no entries: "time MS" sets the log's time, "roll" begins a segment, "checkpoint" publishes one, "give up" fails to,
// "restart" makes a new machine from the last checkpoint and the log, "lose" does that without index files, "state" prints the
// queues, "read 1/0 0" reads.
//
// After each entry the machine's hash, and after each restart its whole state, must be that of a machine which never
// restarted.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/apply/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScript(t)
	var out strings.Builder
	for step := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		input, want, found := strings.Cut(step+"\n", "----\n")
		if !found { // a comment
			out.WriteString(step + "\n\n")
			continue
		}
		var answer strings.Builder
		for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
			if !strings.HasPrefix(line, "#") {
				answer.WriteString(s.line(line))
			}
		}
		if answer.String() != want && !*update {
			t.Errorf("%s\nanswered\n%s\nwant\n%s", input, answer.String(), want)
		}
		out.WriteString(input + "----\n" + answer.String() + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimSuffix(out.String(), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

type script struct {
	t          *testing.T
	log        *memLog
	fs         *vfs.Memory
	time       int64
	store      *Store
	shadow     *Store // never restarts
	checkpoint *memCheckpoint
}

func newScript(t *testing.T) *script {
	s := &script{t: t, log: newMemLog(), fs: vfs.NewMemory(), time: 1000, checkpoint: emptyCheckpoint()}
	s.store = machineStore(t, s.fs, s.log, s.checkpoint)
	s.shadow = machineStore(t, vfs.NewMemory(), s.log, emptyCheckpoint())
	for _, store := range []*Store{s.store, s.shadow} {
		if err := store.machine.reconcile(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *script) line(line string) string {
	words := strings.Fields(line)
	switch words[0] {
	case "time":
		s.time = s.number(words[1])
	case "roll":
		s.roll()
	case "checkpoint", "give":
		s.freeze(words[0] == "checkpoint")
	case "restart", "lose":
		s.restart(words[0] == "lose")
	case "state":
		return s.state()
	case "read":
		return s.read(s.queue(words[1]), s.number(words[2]))
	default:
		return s.entry(line)
	}
	return ""
}

func (s *script) entry(line string) string {
	var commands []raftlog.Command
	for part := range strings.SplitSeq(line, ";") {
		commands = append(commands, s.command(strings.Fields(part)))
	}
	e := s.log.add(s.time, commands...)
	results, shadow := s.store.apply(e), s.shadow.apply(e)
	var out strings.Builder
	for i := range results {
		if r := describe(results[i]); r != describe(shadow[i]) {
			s.t.Errorf("%q: %s, without restarts %s", line, r, describe(shadow[i]))
		}
		out.WriteString(describe(results[i]) + "\n")
	}
	if got, want := s.store.machine.Hash(), s.shadow.machine.Hash(); got != want {
		s.t.Errorf("%q: state hash %x, without restarts %x", line, got, want)
	}
	return out.String()
}

func describe(result any) string {
	switch r := result.(type) {
	case nil:
		return "ok"
	case error:
		return "error: " + r.Error()
	case *Appended:
		text := fmt.Sprintf("offset %d, position %s, time %d, start %d", r.BaseOffset, r.Position, r.Time, r.StartOffset)
		if r.Duplicate {
			text += ", duplicate"
		}
		return text
	case trimmed:
		var parts []string
		for _, x := range r {
			part := fmt.Sprintf("start %d", x.start)
			if x.err != nil {
				part = describe(x.err)
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%T", result)
}

func (s *script) command(w []string) raftlog.Command {
	c := raftlog.Command{Version: command.Version}
	switch w[0] {
	case "open":
		c.Kind, c.Body = command.KindOpenQueues, command.EncodeQueues(s.queues(w[1:]))
	case "delete":
		c.Kind, c.Body = command.KindDeleteQueues, command.EncodeQueues(s.queues(w[1:]))
	case "append":
		return s.append(w[1:])
	case "trim":
		q, to := s.queue(w[1]), message.Offset(s.number(w[2]))
		t := command.Trim{Queue: q, Start: to}
		if v, err := s.store.machine.view(q); err == nil {
			t.Bytes, _ = s.store.bytesBefore(&v, to)
		}
		c.Kind, c.Body = command.KindTrim, command.EncodeTrims([]command.Trim{t})
	case "commit":
		commit := command.Commit{
			Group: w[1], Queue: s.queue(w[2]), Offset: message.Offset(s.number(w[3])), LeaderEpoch: -1,
			Rewind: strings.Join(w[4:], "") == "rewind",
		}
		c.Kind, c.Body = command.KindCommitProgress, command.EncodeCommits([]command.Commit{commit})
	case "forget":
		d := command.DeleteProgress{Group: w[1], All: len(w) == 2, Queues: s.queues(w[2:])}
		c.Kind, c.Body = command.KindDeleteProgress, d.Encode()
	case "coordinate":
		c.Kind, c.Body = command.KindCoordinate, s.change(w[1:]).body
	case "expire":
		c.Kind, c.Body = command.KindExpireProducers, command.EncodeExpireProducers(s.number(w[1]))
	case "raw":
		body, err := hex.DecodeString(strings.Join(w[3:], ""))
		if err != nil {
			s.t.Fatal(err)
		}
		c.Kind, c.Version, c.Body = uint8(s.number(w[1])), uint8(s.number(w[2])), body
		if c.Kind == command.KindAppend {
			n := min(len(body), command.AppendHead)
			c.Head, c.Body = body[:n], body[n:]
		}
	default:
		s.t.Fatalf("what is %q?", w[0])
	}
	return c
}

func (s *script) change(w []string) *Change {
	c := NewChange(uint64(s.number(w[0])))
	for _, word := range w[1:] {
		a := strings.Split(word, ":")
		switch a[0] {
		case "put":
			c.Put(a[1], []byte(a[2]))
		case "drop":
			c.Delete(a[1])
		case "commit":
			c.Commit(a[1], Progress{Queue: s.queue(a[2]), Offset: message.Offset(s.number(a[3])), LeaderEpoch: -1, Expires: s.number(a[4])})
		case "forget":
			c.Forget(a[1], s.queue(a[2]), s.number(a[3]))
		case "forget-all":
			c.ForgetAll(a[1])
		default:
			s.t.Fatalf("what is %q?", word)
		}
	}
	return c
}

func (s *script) append(w []string) raftlog.Command {
	args := map[string]int64{"n": 1, "pid": -1, "time": s.time}
	for _, word := range w[1:] {
		name, value, _ := strings.Cut(word, "=")
		if args[name] = 1; value != "" {
			args[name] = s.number(value)
		}
	}
	var records []message.Record
	for i := range args["n"] {
		records = append(records, message.Record{Timestamp: args["time"] + i, Value: []byte("v")})
	}
	o := message.BuildOptions{}
	if args["pid"] >= 0 {
		o.Producer = &message.Producer{ID: args["pid"], Epoch: int16(args["epoch"]), Sequence: int32(args["seq"])}
	}
	a := command.Append{Queue: s.queue(w[0]), LogAppendTime: args["logtime"] == 1, Batch: message.Build(records, o)}
	return raftlog.Command{Kind: command.KindAppend, Version: command.Version, Head: a.Head(), Body: a.Batch}
}

func (s *script) roll() {
	closed := s.log.infos[len(s.log.infos)-1]
	s.log.roll()
	closed.Closed = true
	for _, store := range []*Store{s.store, s.shadow} {
		store.machine.SegmentClosed(closed)
	}
	// The sidecar stands, as far as later steps can tell.
	if err := s.store.machine.index.Settle(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) freeze(publish bool) {
	f := s.store.machine.Freeze()
	next, err := s.checkpoint.take(f, raftlog.Index(1+len(s.log.entries)))
	if err != nil {
		s.t.Fatal(err)
	}
	if f.Release(publish); publish {
		s.checkpoint = next
	}
}

func (s *script) restart(lose bool) {
	if err := s.store.machine.index.Close(); err != nil {
		s.t.Fatal(err)
	}
	if lose {
		if err := s.fs.RemoveAll("shard/index"); err != nil {
			s.t.Fatal(err)
		}
	}
	s.store = machineStore(s.t, s.fs, s.log, s.checkpoint)
	s.store.replay(s.t, s.log, s.checkpoint.index)
	if got, want := s.store.machine.dump(), s.shadow.machine.dump(); got != want {
		s.t.Errorf("restarted:\n%s\nwithout restarts:\n%s", got, want)
	}
}

func (s *script) state() string {
	var out strings.Builder
	for _, k := range s.store.Queues() {
		b, _ := s.store.Bounds(k)
		fmt.Fprintf(&out, "%d/%d: %d to %d, %d bytes, max time %d\n", k.Topic[0], k.Number, b.Start, b.End, b.Bytes, b.MaxTime)
	}
	for _, g := range s.store.Groups() {
		for _, p := range s.store.GroupProgress(g) {
			fmt.Fprintf(&out, "%s %d/%d: %d at %d", g, p.Queue.Topic[0], p.Queue.Number, p.Offset, p.CommitTime)
			if p.Expires != 0 {
				fmt.Fprintf(&out, " expires %d", p.Expires)
			}
			out.WriteString("\n")
		}
	}
	_ = s.store.States("", func(key string, value []byte) error {
		fmt.Fprintf(&out, "%s = %s\n", key, value)
		return nil
	})
	return out.String()
}

func (s *script) read(q message.Queue, from int64) string {
	r, err := s.store.Read(q, message.Offset(from), ReadOptions{MaxBytes: 1 << 20})
	if err != nil {
		for _, known := range []error{ErrUnknownQueue, ErrOffsetOutOfRange} {
			if errors.Is(err, known) {
				err = known
			}
		}
		return "error: " + err.Error() + "\n"
	}
	var out strings.Builder
	for _, f := range r.Batches {
		fmt.Fprintf(&out, "%d+%d position %s time %d max %d\n", f.BaseOffset, f.Count, f.Position, f.Time, f.Batch.MaxTimestamp())
	}
	fmt.Fprintf(&out, "next %d\n", r.Next)
	return out.String()
}

func (s *script) number(w string) int64 {
	n, err := strconv.ParseInt(w, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) queue(w string) message.Queue {
	topic, number, _ := strings.Cut(w, "/")
	return testQueue(byte(s.number(topic)), int32(s.number(number)))
}

func (s *script) queues(words []string) (out []message.Queue) {
	for _, w := range words {
		out = append(out, s.queue(w))
	}
	return out
}
