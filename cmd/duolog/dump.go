package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore"
)

// A field is one named value of a line.
type field struct {
	name  string
	value any
}

// printer writes lines: as text, "what a=1 b=2", or as one JSON object each. It remembers the first error.
type printer struct {
	w    writer
	json bool
	err  error
}

func newPrinter(w writer, output string) *printer { return &printer{w: w, json: output == "json"} }

// line writes one line. Indentation of what is for readers of text only.
func (p *printer) line(what string, fields ...field) {
	var b bytes.Buffer
	if p.json {
		b.WriteString(`{"what":`)
		p.value(&b, strings.TrimSpace(what))
		for _, f := range fields {
			b.WriteByte(',')
			p.value(&b, f.name)
			b.WriteByte(':')
			p.value(&b, f.value)
		}
		b.WriteByte('}')
	} else {
		b.WriteString(what)
		for _, f := range fields {
			fmt.Fprintf(&b, " %s=%v", f.name, f.value)
		}
	}
	b.WriteByte('\n')
	if _, err := p.w.Write(b.Bytes()); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *printer) value(b *bytes.Buffer, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text, _ = json.Marshal(fmt.Sprint(v)) // a string can always be written
	}
	b.Write(text)
}

// dumper shows logs.
type dumper struct {
	*logs
	out        *printer
	from, to   uint64
	payload    bool
	records    bool
	checkpoint bool
	index      bool
}

// errEnough ends an inspection early.
var errEnough = errors.New("shown as far as asked")

// log shows one log, or its newest checkpoint.
func (d *dumper) log(name string) error {
	dir := path.Join(d.dataDir, name)
	switch {
	case d.checkpoint:
		return d.checkpointOf(name, dir)
	case d.index && name == metadataLog:
		return nil // it has none
	case d.index:
		return d.indexOf(name, dir)
	}
	err := raftlog.Inspect(d.fs, dir, raftlog.Inspector{
		Identity: func(id raftlog.Identity) {
			d.out.line("log "+name, field{"uid", id.UID.String()}, field{"replica", id.Replica}, field{"generation", id.Generation})
		},
		Segment: d.segment,
		Frame:   func(f raftlog.InspectedFrame) error { return d.frame(name, f) },
		End: func(file string, stop raftlog.FrameStop) {
			d.out.line("  end", field{"offset", stop.Offset}, field{"why", stop.Why}, field{"torn", stop.Torn}, field{"damaged", stop.Damaged})
		},
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, d.out.err)
}

func (d *dumper) segment(file string, h raftlog.SegmentHeader) {
	d.out.line("segment", field{"file", file}, field{"sequence", h.Sequence}, field{"first", h.First},
		field{"created", clock(h.Created)}, field{"first-time", clock(h.FirstTime)}, field{"term-before", h.TermBefore},
		field{"term", h.Hard.Term}, field{"vote", h.Hard.Vote}, field{"commit", h.Hard.Commit}, field{"boot", h.BootID},
		field{"written-through", h.WrittenThrough}, field{"previous-sequence", h.PreviousSequence}, field{"previous-end", h.PreviousEnd},
		field{"previous-last", h.PreviousLast}, field{"previous-time", clock(h.PreviousTime)}, field{"previous-link", hex32(h.PreviousLink)},
		field{"crc", hex32(h.HeadCRC)})
}

func (d *dumper) frame(name string, f raftlog.InspectedFrame) error {
	if d.out.err != nil {
		return errEnough
	}
	isEntry := len(f.Commands) > 0 || f.Change != "" || f.Hard == nil && f.BootID == "" && f.Wall == 0
	if isEntry && (f.Index < d.from || f.Index > d.to) {
		return nil
	}
	fields := []field{{"offset", f.Offset}, {"bytes", f.Bytes}, {"index", f.Index}, {"term", f.Term}, {"time", clock(f.Time)},
		{"commit", f.Commit}, {"synced", f.Synced}, {"type", f.Type}, {"crc", hex32(f.CRC)}, {"link", hex32(f.Link)},
		{"payload", len(f.Payload)}, {"payload-crc", hex32(f.Check)}}
	if f.Hard != nil {
		fields = append(fields, field{"hard-term", f.Hard.Term}, field{"vote", f.Hard.Vote}, field{"hard-commit", f.Hard.Commit})
	}
	if f.BootID != "" {
		fields = append(fields, field{"boot", f.BootID}, field{"cut", f.Cut})
	}
	if f.Wall != 0 {
		fields = append(fields, field{"wall", clock(f.Wall)})
	}
	d.out.line("  "+f.Kind, fields...)
	if f.Change != "" {
		d.out.line("    membership", field{"change", f.Change})
	}
	if f.Undecodable != nil {
		d.out.line("    undecodable", field{"error", f.Undecodable.Error()})
	}
	for i := range f.Commands {
		d.command(name, &f, i)
	}
	return nil
}

// command shows one command of an entry, in the words of the machine that the log belongs to.
func (d *dumper) command(name string, f *raftlog.InspectedFrame, i int) {
	c := &f.Commands[i]
	data := append(append([]byte(nil), c.Head...), c.Body...)
	if name == metadataLog {
		d.metadataCommand(c, data)
	} else {
		d.shardCommand(f, i)
	}
	if d.payload {
		d.out.line("      data", field{"hex", hex.EncodeToString(data)})
	}
}

func (d *dumper) metadataCommand(c *raftlog.Applied, data []byte) {
	fields := []field{{"kind", c.Kind}, {"version", c.Version}, {"bytes", len(data)}}
	cmd, err := controller.DecodeCommand(c.Kind, c.Version, data)
	if err != nil {
		d.out.line("    command", append(fields, field{"error", err.Error()})...)
		return
	}
	name := strings.TrimPrefix(fmt.Sprintf("%T", cmd), "*controller.")
	d.out.line("    "+name, append(fields, field{"command", readable(cmd)})...)
}

// idBytes is how an id comes out of %v: sixteen numbers in brackets.
var idBytes = regexp.MustCompile(`\[(?:\d+ ){15}\d+\]`)

// readable writes a command with all its fields, ids as Kafka spells them.
func readable(cmd controller.Command) string {
	return idBytes.ReplaceAllStringFunc(fmt.Sprintf("%+v", cmd), func(numbers string) string {
		var id image.UUID
		for i, n := range strings.Fields(strings.Trim(numbers, "[]")) {
			b, err := strconv.ParseUint(n, 10, 8)
			if err != nil {
				return numbers // sixteen numbers that are no bytes
			}
			id[i] = byte(b)
		}
		return image.FormatUUID(id)
	})
}

func (d *dumper) shardCommand(f *raftlog.InspectedFrame, i int) {
	c := &f.Commands[i]
	described, err := rocketcore.DescribeCommand(c.Kind, c.Version, c.Head, c.Body, d.records)
	if err != nil {
		d.out.line("    command", field{"kind", c.Kind}, field{"version", c.Version}, field{"bytes", len(c.Head) + len(c.Body)}, field{"error", err.Error()})
		return
	}
	d.described(2, described)
}

// described writes what the engine says of bytes of its own, parts indented below.
func (d *dumper) described(depth int, what rocketcore.Description) {
	var fields []field
	for _, f := range what.Fields {
		fields = append(fields, field{f.Name, f.Value})
	}
	d.out.line(strings.Repeat("  ", depth)+what.Name, fields...)
	for _, part := range what.Parts {
		d.described(depth+1, part)
	}
}

// indexOf shows the index files of a shard.
func (d *dumper) indexOf(name, dir string) error {
	d.out.line("index of " + name)
	return rocketcore.InspectIndex(d.fs, dir, func(what rocketcore.Description) error {
		d.described(1, what)
		return d.out.err
	})
}

// checkpointOf shows the records of the newest checkpoint.
func (d *dumper) checkpointOf(name, dir string) error {
	d.out.line("checkpoint of " + name)
	index, err := raftlog.InspectCheckpoint(d.fs, dir, func(key, value []byte) error {
		if name == metadataLog {
			if record, err := image.DecodeRecord(key, value); err == nil {
				d.out.line("  " + image.Describe(record))
				return d.out.err
			}
		} else if described, err := rocketcore.DescribeRecord(key, value); err == nil {
			d.described(1, described)
			return d.out.err
		}
		d.out.line("  record", field{"key", hex.EncodeToString(key)}, field{"value", hex.EncodeToString(value)})
		return d.out.err
	})
	if err != nil {
		return err
	}
	d.out.line("  end", field{"index", index})
	return d.out.err
}

// clock writes milliseconds since 1970 as a reader's time; 0 stays 0.
func clock(ms int64) string {
	if ms == 0 {
		return "0"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func hex32(n uint32) string { return fmt.Sprintf("%08x", n) }
