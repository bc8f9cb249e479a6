package controller

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/duolog/duolog/kraft/image"
)

// TestScripts runs testdata/*.txt. A command's arguments are given on its line; commands about topics take one topic a
// line of input: its name, then key=value pairs. Keys with a dot are configs. The output shows the records, as a dump
// does, and what the command answered. Each command is also sent through its binary form and decided on there.
//
//	bootstrap  id=NAME shards=N replicas=1,2,3 slots=N
//	register   node=N inc=N prev=N dir=N [cluster=NAME]   one listener a line: NAME PROTOCOL HOST PORT
//	fence      node=N inc=N on=BOOL
//	shard      name=NAME uid=N replicas=N,N,N
//	leader     shard=N node=N term=N
//	slots      N=SHARD …
//	create     by=kafka|rocketmq|broker [validate] [queues=DEFAULT] [max=BYTES]
//	delete, grow [validate], alter [validate] [replace] [max=BYTES], alter-group
//	producer-ids node=N inc=N
//	image                                                  the whole image
//	look       NAME …                                      what both protocols call a topic
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/*.txt", func(t *testing.T) func(*testing.T, *block) string {
		return (&play{t: t, img: new(image.Image)}).run
	})
}

// play is one script under way.
type play struct {
	t   *testing.T
	img *image.Image
	now int64
}

func (s *play) run(t *testing.T, d *block) string {
	s.t = t
	switch d.Name {
	case "image":
		var b strings.Builder
		for r := range s.img.Records() {
			fmt.Fprintln(&b, image.Describe(r))
		}
		return b.String()
	case "look":
		return s.look(d)
	default:
		return s.decide(s.command(d))
	}
}

// decide runs a command and applies what it gives.
func (s *play) decide(cmd Command) string {
	s.now += 1000
	kind, version, data := EncodeCommand(cmd)
	decoded, err := DecodeCommand(kind, version, data)
	if err != nil {
		s.t.Fatalf("decode: %v", err)
	}
	records, result := Decide(s.img, decoded, s.now)
	again, _ := Decide(s.img, cmd, s.now)
	if !slices.EqualFunc(records, again, sameRecord) {
		s.t.Fatalf("the decoded command gives other records")
	}
	next, err := s.img.Apply(records...)
	if err != nil {
		s.t.Fatalf("apply: %v", err)
	}
	s.img = next
	var b strings.Builder
	for _, r := range records {
		line := image.Describe(r)
		if len(line) > 400 {
			line = line[:400] + "…"
		}
		fmt.Fprintln(&b, "+", line)
	}
	b.WriteString(answer(result))
	return b.String()
}

func sameRecord(a, b image.Record) bool { return image.Describe(a) == image.Describe(b) }

func answer(result any) string {
	var b strings.Builder
	switch r := result.(type) {
	case nil:
		b.WriteString("ok\n")
	case error:
		b.WriteString(refusal(r))
	case *CreateTopicsResult:
		for _, t := range r.Topics {
			if t.Err != nil {
				b.WriteString(refusal(t.Err))
				continue
			}
			fmt.Fprintf(&b, "%s: queues=%d replicas=%d id=%s alias=%q configs=%v\n", t.Name, t.Queues, t.Replicas, short(t.ID), t.Alias, t.Configs)
		}
	case *DeleteTopicsResult:
		for _, t := range r.Topics {
			if t.Err != nil {
				b.WriteString(refusal(t.Err))
				continue
			}
			fmt.Fprintf(&b, "%s: id=%s\n", t.Name, short(t.ID))
		}
	case *GrowTopicsResult:
		b.WriteString(outcomes(r.Topics))
	case *AlterConfigsResult:
		b.WriteString(outcomes(r.Outcomes))
	case *CreateShardResult:
		fmt.Fprintf(&b, "shard %d\n", r.ID)
	case *ProducerIDs:
		fmt.Fprintf(&b, "first=%d count=%d\n", r.First, r.Count)
	default:
		fmt.Fprintf(&b, "%T\n", r)
	}
	return b.String()
}

func outcomes(list []Outcome) string {
	var b strings.Builder
	for _, o := range list {
		if o.Err != nil {
			b.WriteString(refusal(o.Err))
			continue
		}
		fmt.Fprintf(&b, "%s: ok\n", o.Name)
	}
	return b.String()
}

// refusal shows the sentence and the sentinel.
func refusal(err error) string {
	var r *Refusal
	if !errors.As(err, &r) {
		return fmt.Sprintf("error: %v\n", err)
	}
	return fmt.Sprintf("error: %s [%v]\n", r.Sentence, r.Cause)
}

func short(id image.UUID) string { return strconv.Itoa(int(id[15])) }

// number is an id made of one number.
func number(n int) image.UUID { return image.UUID{0: byte(n), 1: byte(n >> 8), 15: byte(n)} }

func (s *play) look(d *block) string {
	var b strings.Builder
	for _, arg := range d.Args {
		topic, ok := s.img.Resolve(arg.Key)
		if !ok {
			fmt.Fprintln(&b, UnknownTopic(s.img, arg.Key))
			continue
		}
		kafka, inKafka := topic.KafkaName()
		rocket, inRocket := topic.RocketMQName()
		fmt.Fprintf(&b, "%s: kafka=%q,%v rocketmq=%q,%v\n", arg.Key, kafka, inKafka, rocket, inRocket)
	}
	return b.String()
}

func (s *play) command(d *block) Command {
	arg := d.Arg
	num := func(key string, otherwise int) int { return s.num(arg(key, strconv.Itoa(otherwise))) }
	node := image.NodeID(num("node", 1))
	switch d.Name {
	case "bootstrap":
		cmd := &Bootstrap{ClusterID: arg("id", "c1"), FeatureLevel: 1, Slots: int32(num("slots", 2))}
		for i := range num("shards", 1) {
			cmd.Shards = append(cmd.Shards, NewShard{UID: number(100 + i), Replicas: s.nodes(arg("replicas", "1"))})
		}
		return cmd
	case "register":
		cmd := &RegisterNode{
			ClusterID: arg("cluster", "c1"), Node: node,
			Incarnation: number(num("inc", 1)), Previous: number(num("prev", 0)), Directory: number(num("dir", 1)),
		}
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(strings.ReplaceAll(line, "NONE", `\`))
			cmd.Listeners = append(cmd.Listeners, image.Listener{
				Name: f[0], Protocol: f[1], Host: strings.Trim(f[2], `\`), Port: s.num(f[3]),
			})
		}
		return cmd
	case "fence":
		return &FenceNode{Node: node, Incarnation: number(num("inc", 1)), Fenced: arg("on", "true") == "true"}
	case "shard":
		return &CreateShard{Shard: NewShard{UID: number(num("uid", 200)), Name: arg("name", ""), Replicas: s.nodes(arg("replicas", "1"))}}
	case "leader":
		return &ReportLeader{Shard: image.ShardID(num("shard", 0)), Node: node, Term: int64(num("term", 1))}
	case "slots":
		cmd := &AssignSlots{}
		for _, a := range d.Args {
			cmd.Slots = append(cmd.Slots, image.Slot{Number: int32(s.num(a.Key)), Shard: image.ShardID(s.num(a.Value))})
		}
		return cmd
	case "producer-ids":
		return &AllocateProducerIDs{Node: node, Incarnation: number(num("inc", 1))}
	default:
		return s.topicCommand(d, arg, num)
	}
}

func (s *play) topicCommand(d *block, arg func(string, string) string, num func(string, int) int) Command {
	validate, defaults := d.Has("validate"), Defaults{Queues: int32(num("queues", 1)), MaxMessageBytes: int32(num("max", 0))}
	lines := s.topicLines(d.Input)
	switch d.Name {
	case "create":
		cmd := &CreateTopics{Defaults: defaults, ValidateOnly: validate}
		cmd.Origin = map[string]image.Origin{"kafka": image.ByKafka, "rocketmq": image.ByRocketMQ, "broker": image.ByBroker}[arg("by", "kafka")]
		for i, l := range lines {
			cmd.Topics = append(cmd.Topics, NewTopic{
				Name: l.name, ID: number(l.num(s, "id", int(s.now/100)+i+1)), Queues: int32(l.num(s, "queues", -1)),
				Replicas: int16(l.num(s, "rf", -1)), Assigned: l.has("assigned"), Internal: l.has("internal"), Configs: l.configs(),
			})
		}
		return cmd
	case "delete":
		cmd := &DeleteTopics{}
		for _, l := range lines {
			ref := TopicRef{Name: l.name}
			if l.has("id") {
				ref = TopicRef{ID: number(l.num(s, "id", 0))}
			}
			cmd.Topics = append(cmd.Topics, ref)
		}
		return cmd
	case "grow":
		cmd := &GrowTopics{ValidateOnly: validate}
		for _, l := range lines {
			cmd.Topics = append(cmd.Topics, Growth{Name: l.name, Queues: int32(l.num(s, "queues", 0)), Assigned: l.has("assigned")})
		}
		return cmd
	case "alter", "alter-group":
		var changes []ConfigChange
		for _, l := range lines {
			changes = append(changes, ConfigChange{Name: l.name, Replace: d.Has("replace"), Ops: l.ops()})
		}
		if d.Name == "alter" {
			return &AlterTopicConfigs{Topics: changes, Defaults: defaults, ValidateOnly: validate}
		}
		return &AlterGroupConfigs{Groups: changes, ValidateOnly: validate}
	default:
		s.t.Fatalf("unknown command %q", d.Name)
		return nil
	}
}

// topicLine is a name and its words, in order.
type topicLine struct {
	name  string
	words []string
}

func (s *play) topicLines(input string) (lines []topicLine) {
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		name := f[0]
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		if stem, times, ok := strings.Cut(name, "*"); ok { // a*249 is 249 times "a"
			name = strings.Repeat(stem, s.num(times))
		}
		lines = append(lines, topicLine{name, f[1:]})
	}
	return lines
}

func (l topicLine) has(key string) bool {
	return slices.ContainsFunc(l.words, func(w string) bool { return w == key || strings.HasPrefix(w, key+"=") })
}

func (l topicLine) num(s *play, key string, otherwise int) int {
	for _, w := range l.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return s.num(v)
		}
	}
	return otherwise
}

// configs are the words with a dot in their key; a value NULL is none.
func (l topicLine) configs() (configs []Config) {
	for _, w := range l.words {
		name, value, _ := strings.Cut(w, "=")
		if strings.Contains(name, ".") {
			configs = append(configs, Config{Name: name, Value: optional(value)})
		}
	}
	return configs
}

// ops are written name=value, name+=value, name-=value, name! (delete).
func (l topicLine) ops() (ops []ConfigOp) {
	for _, w := range l.words {
		if name, ok := strings.CutSuffix(w, "!"); ok {
			ops = append(ops, ConfigOp{Name: name, Op: OpDelete})
			continue
		}
		name, value, _ := strings.Cut(w, "=")
		op := ConfigOp{Name: name, Op: OpSet, Value: optional(value)}
		if n, ok := strings.CutSuffix(name, "+"); ok {
			op.Name, op.Op = n, OpAppend
		} else if n, ok := strings.CutSuffix(name, "-"); ok {
			op.Name, op.Op = n, OpSubtract
		}
		ops = append(ops, op)
	}
	return ops
}

func optional(value string) *string {
	if value == "NULL" {
		return nil
	}
	return &value
}

func (s *play) nodes(list string) (nodes []image.NodeID) {
	for n := range strings.SplitSeq(list, ",") {
		nodes = append(nodes, image.NodeID(s.num(n)))
	}
	return nodes
}

func (s *play) num(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("%q is no number", text)
	}
	return n
}
