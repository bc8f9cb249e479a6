package group

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestScripts runs testdata/*.txt. A script has one clock and one machine; go test -rewrite writes what was got.
//
// Requests have a name, under which their answer is printed, now or later. A new member's id ends with it, if it is the
// first of that name; with NAME.2 if it is the second.
//
//	join NAME [group=g] [member=ID] [instance=ID] [client=ID] [session=10s] [rebalance=60s] [type=consumer]
//	     [protocols=(range:METADATA,…)] [v=9] [reason=…]
//	sync NAME member=ID gen=N [instance=ID] [type=…] [protocol=…] [assign=(MEMBER:BYTES,…)]
//	heartbeat NAME member=ID gen=N [instance=ID]
//	leave NAME (member=ID|instance=ID|member=ID/INSTANCE)…
//	commit NAME [member=ID] [gen=N] [instance=ID] [v=8]
//
// wait D lets time pass and fires what falls due on the way. restart throws the machine away and makes one from what was
// stored. describe, list, delete, expire, options look and do what they say.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/*.txt", func(t *testing.T) func(*block) string {
		s := newScript()
		s.t = t
		return s.run
	})
}

// script is the world of one script.
type script struct {
	t       *testing.T
	now     time.Time
	opts    Options
	m       *Machine
	ids     map[string]int // how often a name was given to a new member
	calls   int
	names   map[Call]string
	stored  map[string][]byte
	offsets map[string][]Offset
	out     strings.Builder
}

var epoch = time.UnixMilli(1_700_000_000_000)

func newScript() *script {
	s := &script{now: epoch, ids: map[string]int{}, names: map[Call]string{}, stored: map[string][]byte{}, offsets: map[string][]Offset{}}
	s.opts = Options{}.WithDefaults()
	s.m = New(s.opts)
	return s
}

func (s *script) run(d *block) string {
	s.out.Reset()
	switch d.Cmd {
	case "options":
		s.options(d)
	case "join":
		s.effects(s.m.Join(s.now, s.call(d), s.join(d)))
	case "sync":
		s.effects(s.m.Sync(s.now, s.call(d), s.sync(d)))
	case "heartbeat":
		h := &Heartbeat{Group: arg(d, "group", "g"), Member: arg(d, "member", ""), Instance: arg(d, "instance", ""), Generation: s.gen(d)}
		s.printf("%s: %s", d.Args[0].Key, verdict(s.m.Heartbeat(s.now, h)))
	case "leave":
		s.effects(s.m.Leave(s.now, s.call(d), s.leave(d)))
	case "commit":
		c := &Commit{Group: arg(d, "group", "g"), Member: arg(d, "member", ""), Instance: arg(d, "instance", ""), Generation: s.gen(d),
			KnowsUnknownGroup: s.number(d, "v", 9) >= 9}
		c.HasOffsets = len(s.offsets[c.Group]) > 0
		s.printf("%s: %s", d.Args[0].Key, verdict(s.m.Commit(s.now, c)))
	case "wait":
		s.wait(d)
	case "restart":
		s.restart()
	case "describe":
		s.describe(arg(d, "group", "g"))
	case "list":
		s.list(d)
	case "offsets":
		s.setOffsets(d)
	case "expire":
		s.expire()
	case "delete":
		s.delete(d)
	case "offset-delete":
		s.offsetDelete(d)
	default:
		s.t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
	s.check()
	if s.out.Len() == 0 {
		return "ok\n"
	}
	return s.out.String()
}

// check holds the invariants of every group after every command.
func (s *script) check() {
	if err := checkMachine(s.m); err != nil {
		s.t.Errorf("invariant: %v", err)
	}
}

func (s *script) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *script) call(d *block) Call {
	s.calls++
	s.names[Call(s.calls)] = d.Args[0].Key
	return Call(s.calls)
}

func arg(d *block, key, otherwise string) string {
	if values := d.values(key); len(values) > 0 {
		return values[0]
	}
	return otherwise
}

func (s *script) number(d *block, key string, otherwise int) int {
	n, err := strconv.Atoi(arg(d, key, strconv.Itoa(otherwise)))
	if err != nil {
		s.t.Fatalf("%s: %v", d.Pos, err)
	}
	return n
}

func (s *script) gen(d *block) int32 { return int32(s.number(d, "gen", -1)) }

func (s *script) duration(d *block, key, otherwise string) time.Duration {
	v, err := time.ParseDuration(arg(d, key, otherwise))
	if err != nil {
		s.t.Fatalf("%s: %v", d.Pos, err)
	}
	return v
}

// options sets options and begins anew, or with keep=1 restarts with them.
func (s *script) options(d *block) {
	s.opts.InitialRebalanceDelay = s.duration(d, "delay", "3s")
	s.opts.MaxMembers = s.number(d, "max-members", s.opts.MaxMembers)
	s.opts.MaxGroupBytes = s.number(d, "max-bytes", s.opts.MaxGroupBytes)
	s.opts.MaxGroups = s.number(d, "max-groups", s.opts.MaxGroups)
	if arg(d, "keep", "") != "" {
		s.restart()
		return
	}
	s.m, s.ids, s.now = New(s.opts), map[string]int{}, epoch
	clear(s.names)
	clear(s.stored)
	clear(s.offsets)
}

func (s *script) join(d *block) *Join {
	version := s.number(d, "v", 9)
	j := &Join{
		Group: arg(d, "group", "g"), Member: arg(d, "member", ""), Instance: arg(d, "instance", ""), ClientID: arg(d, "client", "c"),
		ClientHost: "/127.0.0.1", SessionTimeout: s.duration(d, "session", "10s"), RebalanceTimeout: s.duration(d, "rebalance", "60s"),
		ProtocolType: arg(d, "type", ConsumerType), Reason: arg(d, "reason", ""),
		KnowsRequired: version >= 4, KnowsSkip: version >= 9,
	}
	if j.Member == "" {
		j.NewID = d.Args[0].Key
		if s.ids[j.NewID]++; s.ids[j.NewID] > 1 {
			j.NewID += fmt.Sprintf(".%d", s.ids[j.NewID])
		}
	}
	protocols := d.values("protocols")
	if protocols == nil {
		protocols = []string{"range:orders"}
	}
	for _, p := range protocols {
		name, metadata, _ := strings.Cut(p, ":")
		if name != "" {
			j.Protocols = append(j.Protocols, Protocol{name, subscriptionOf(metadata)})
		}
	}
	return j
}

// subscriptionOf is a consumer's metadata for topics joined by "+"; anything behind a "!" makes it unreadable.
func subscriptionOf(topics string) []byte {
	if strings.HasPrefix(topics, "!") {
		return []byte(topics)
	}
	names := strings.Split(topics, "+")
	b := []byte{0, 1, 0, 0, 0, byte(len(names))}
	for _, name := range names {
		b = append(b, 0, byte(len(name)))
		b = append(b, name...)
	}
	return b
}

func (s *script) sync(d *block) *Sync {
	out := &Sync{Group: arg(d, "group", "g"), Member: arg(d, "member", ""), Instance: arg(d, "instance", ""), Generation: s.gen(d)}
	if v := d.values("type"); v != nil {
		out.ProtocolType = &v[0]
	}
	if v := d.values("protocol"); v != nil {
		out.Protocol = &v[0]
	}
	for _, a := range d.values("assign") {
		member, bytes, _ := strings.Cut(a, ":")
		out.Assignments = append(out.Assignments, Assignment{member, []byte(bytes)})
	}
	return out
}

func (s *script) leave(d *block) *Leave {
	l := &Leave{Group: arg(d, "group", "g")}
	for _, a := range d.Args[1:] {
		switch a.Key {
		case "member":
			id, instance, _ := strings.Cut(a.Vals[0], "/")
			l.Members = append(l.Members, Leaving{Member: id, Instance: instance})
		case "instance":
			l.Members = append(l.Members, Leaving{Instance: a.Vals[0]})
		}
	}
	return l
}

// wait lets time pass from event to event.
func (s *script) wait(d *block) {
	length, err := time.ParseDuration(d.Args[0].Key)
	if err != nil {
		s.t.Fatalf("%s: %v", d.Pos, err)
	}
	end := s.now.Add(length)
	for {
		next, ok := s.m.Next()
		if !ok || next.After(end) {
			break
		}
		before := s.out.Len()
		s.now = next
		effects := s.m.Tick(s.now)
		s.effects(effects)
		if s.out.Len() > before {
			text := s.out.String()
			s.out.Reset()
			s.printf("%s%s", text[:before]+"at "+next.Sub(epoch).String()+"\n", strings.TrimSuffix(text[before:], "\n"))
		}
	}
	s.now = end
}

func verdict(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// effects prints what follows, and stores what is to be stored.
func (s *script) effects(e Effects) {
	for _, n := range e.Notes {
		s.printf("  %s: %s", n.Group, n.Text)
	}
	for _, w := range e.Writes {
		if w.Record == nil {
			delete(s.stored, w.Group)
			if w.Forget {
				delete(s.offsets, w.Group)
			}
			s.printf("  write %d: %s is deleted", w.Number, w.Group)
			continue
		}
		s.stored[w.Group] = w.Record
		m := New(s.opts)
		if err := m.Load(s.now, w.Group, w.Record); err != nil {
			s.t.Errorf("what is stored can't be loaded: %v", err)
			continue
		}
		g := m.groups[w.Group]
		s.printf("  write %d: %s %v generation %d", w.Number, w.Group, g.state, g.generation)
	}
	for _, r := range e.Replies {
		s.reply(r)
	}
}

func (s *script) reply(r Reply) {
	name := s.names[r.Call]
	if name == "" {
		s.t.Errorf("call %d is answered twice, or never was made: %+v", r.Call, r.Body)
	}
	delete(s.names, r.Call)
	after := ""
	if r.After > 0 {
		after = fmt.Sprintf(" (after %d)", r.After)
	}
	switch b := r.Body.(type) {
	case Joined:
		s.printf("%s: %s%s", name, joinedText(b), after)
	case Synced:
		text := verdict(b.Err)
		if b.Err == nil {
			text = fmt.Sprintf("assigned %q, %s %s", b.Assignment, b.ProtocolType, b.Protocol)
		}
		s.printf("%s: %s%s", name, text, after)
	case Left:
		texts := []string{}
		for _, err := range b.Members {
			texts = append(texts, verdict(err))
		}
		if b.Err != nil {
			texts = append(texts, b.Err.Error())
		}
		s.printf("%s: %s%s", name, strings.Join(texts, "; "), after)
	}
}

func joinedText(j Joined) string {
	if j.Err != nil {
		if j.Member == "" {
			return j.Err.Error()
		}
		return fmt.Sprintf("%v (%s)", j.Err, j.Member)
	}
	text := fmt.Sprintf("%s in generation %d, %s %s, led by %s", j.Member, j.Generation, j.ProtocolType, j.Protocol, j.Leader)
	if len(j.Members) > 0 {
		var ids []string
		for _, m := range j.Members {
			ids = append(ids, strings.Trim(m.ID+"/"+m.Instance, "/"))
		}
		text += ": " + strings.Join(ids, " ")
	}
	if j.Skip {
		text += ", does not assign"
	}
	return text
}

func (s *script) restart() {
	s.m = New(s.opts)
	clear(s.names)
	var names []string
	for name := range s.stored {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.m.Load(s.now, name, s.stored[name]); err != nil {
			s.t.Errorf("load: %v", err)
		}
	}
	s.effects(s.m.Settle(s.now))
}

func (s *script) describe(name string) {
	d, ok := s.m.Describe(name)
	if !ok {
		s.printf("%s: none, %v", name, d.State)
		return
	}
	s.printf("%s: %v generation %d, type %q, protocol %q, led by %q", name, d.State, d.Generation, d.ProtocolType, d.Protocol, d.Leader)
	for _, m := range d.Members {
		s.printf("  %s instance %q, client %q at %s, assigned %q", m.ID, m.Instance, m.ClientID, m.ClientHost, m.Assignment)
	}
}

func (s *script) list(d *block) {
	var states []State
	for _, name := range d.values("states") {
		states = append(states, State(slices.Index(stateNames[:], name)))
	}
	for _, l := range s.m.List(states) {
		s.printf("%s %v %q", l.Group, l.State, l.ProtocolType)
	}
}

// setOffsets gives the group offsets committed now: offsets [group=g] topics=(TOPIC[:EXPIRES-IN|:never],…)
func (s *script) setOffsets(d *block) {
	name := arg(d, "group", "g")
	for _, topic := range d.values("topics") {
		o := Offset{Time: s.now.UnixMilli(), Expires: ByGroup}
		var expires string
		o.Topic, expires, _ = strings.Cut(topic, ":")
		switch expires {
		case "":
		case "never":
			o.Expires = Never
		default:
			in, err := time.ParseDuration(expires)
			if err != nil {
				s.t.Fatal(err)
			}
			o.Expires = s.now.Add(in).UnixMilli()
		}
		s.offsets[name] = slices.DeleteFunc(s.offsets[name], func(old Offset) bool { return old.Topic == o.Topic })
		s.offsets[name] = append(s.offsets[name], o)
	}
}

// expire does what the coordinator does at intervals.
func (s *script) expire() {
	names := map[string]bool{}
	for name := range s.offsets {
		names[name] = true
	}
	for name := range s.m.groups {
		names[name] = true
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		expired := s.m.Expired(s.now, name, s.offsets[name])
		for i := len(expired) - 1; i >= 0; i-- {
			s.printf("%s forgets %s", name, s.offsets[name][expired[i]].Topic)
			s.offsets[name] = slices.Delete(s.offsets[name], expired[i], expired[i]+1)
		}
		if len(s.offsets[name]) == 0 {
			delete(s.offsets, name)
			effects, _ := s.m.Retire(s.now, name)
			s.effects(effects)
		}
	}
}

func (s *script) delete(d *block) {
	var names []string
	for _, a := range d.Args {
		names = append(names, a.Key)
	}
	effects, errs := s.m.Delete(s.now, names, func(name string) bool { return len(s.offsets[name]) > 0 })
	s.effects(effects)
	for i, err := range errs {
		s.printf("%s: %s", names[i], verdict(err))
	}
}

func (s *script) offsetDelete(d *block) {
	name := arg(d, "group", "g")
	if err := s.m.CheckOffsetDelete(name, len(s.offsets[name]) > 0); err != nil {
		s.printf("%v", err)
		return
	}
	for _, topic := range d.values("topics") {
		s.printf("%s: %s", topic, verdict(s.m.CheckTopicDelete(name, topic)))
	}
}

// checkMachine holds a machine to its invariants.
func checkMachine(m *Machine) error {
	for name, g := range m.groups {
		if err := checkGroup(name, g); err != nil {
			return fmt.Errorf("group %s: %w", name, err)
		}
	}
	return nil
}

func checkGroup(name string, g *group) error {
	awaiting, unsynced, bytes := 0, 0, 0
	for _, mem := range g.members {
		if mem.join != 0 {
			awaiting++
		}
		if mem.unsynced {
			unsynced++
		}
		bytes += mem.size()
		if g.byID[mem.id] != mem || mem.instance != "" && g.static[mem.instance] != mem {
			return fmt.Errorf("member %s can't be found", mem.id)
		}
		if mem.timer.slot == 0 && mem.join == 0 && mem.sync == 0 {
			return fmt.Errorf("nobody watches member %s", mem.id)
		}
		if mem.join != 0 && g.state != PreparingRebalance || mem.sync != 0 && g.state != CompletingRebalance {
			return fmt.Errorf("member %s waits in state %v", mem.id, g.state)
		}
	}
	for _, p := range g.pending {
		bytes += p.bytes
		if p.timer.slot == 0 {
			return errors.New("nobody watches a pending member")
		}
	}
	switch {
	case g.name != name:
		return fmt.Errorf("it is called %s", g.name)
	case awaiting != g.awaiting || unsynced != g.unsynced || bytes != g.bytes:
		return fmt.Errorf("counted %d, %d, %d; noted %d, %d, %d", awaiting, unsynced, bytes, g.awaiting, g.unsynced, g.bytes)
	case len(g.byID) != len(g.members):
		return errors.New("members that are none can be found")
	case (g.leader == "") != (len(g.members) == 0) || g.leader != "" && g.byID[g.leader] == nil:
		return fmt.Errorf("leader %q is no member", g.leader)
	case g.state == Empty && len(g.members) > 0:
		return errors.New("it has members and is empty")
	case (g.state == PreparingRebalance) != (g.joinTimer.slot > 0):
		return fmt.Errorf("join timer in state %v", g.state)
	case g.state == CompletingRebalance && g.syncTimer.slot == 0 && unsynced > 0:
		return errors.New("nobody waits for syncs")
	case g.state == Empty && !g.stored && len(g.pending) == 0:
		return errors.New("nobody has ever joined it")
	}
	return nil
}
