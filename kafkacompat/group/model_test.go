package group

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// model is a group as one would write it down without thinking of speed: everything is found out by looking at everything,
// at every moment anew. It serves one group. What it would answer and store is compared with what the machine does.
type model struct {
	opts    Options
	now     time.Time
	state   State
	from    State // before PreparingRebalance
	gen     int32
	kind    string
	chosen  string
	leader  string
	members []*modelMember
	pending map[string]time.Time
	joinBy  time.Time // zero: no such deadline
	syncBy  time.Time
	first   bool // the initial delay runs
	late    bool // a member came during its present step
	step    time.Duration
	rest    time.Duration

	answers []string // of the operation that is being done
	writes  []string
	stored  *model // as of the last write
	exists  bool   // it is in the machine's memory
}

type modelMember struct {
	id, instance       string
	session, rebalance time.Duration
	protocols          []Protocol
	assignment         string
	join, sync         Call
	skips              bool // understands that a leader need not assign
	fresh, unsynced    bool
	ends               time.Time // of its session; zero: not watched
}

func newModel(o Options) *model {
	return &model{opts: o, now: epoch, pending: map[string]time.Time{}, from: Dead}
}

// copy is a copy as it would be read from a record.
func (g *model) copy() *model {
	c := newModel(g.opts)
	c.state, c.gen, c.kind, c.chosen, c.leader, c.exists = g.state, g.gen, g.kind, g.chosen, g.leader, true
	for _, m := range g.members {
		n := &modelMember{id: m.id, instance: m.instance, session: m.session, rebalance: m.rebalance, protocols: m.protocols}
		if g.state == Stable {
			n.assignment = m.assignment
		}
		c.members = append(c.members, n)
	}
	return c
}

// restart is what is left after a crash.
func (g *model) restart() *model {
	if g.stored == nil {
		c := newModel(g.opts)
		c.now = g.now
		return c
	}
	c := g.stored.copy()
	c.now, c.stored = g.now, g.stored
	for _, m := range c.members {
		m.ends = c.now.Add(m.session)
		m.unsynced = c.state == CompletingRebalance
	}
	if c.state == CompletingRebalance {
		c.syncBy = c.now.Add(c.patience())
	}
	if len(c.members) > c.opts.MaxMembers { // static members that stay away are not counted when others join
		c.rebalance()
	}
	return c
}

func (g *model) answer(c Call, format string, args ...any) {
	g.answers = append(g.answers, fmt.Sprintf("%d: ", c)+fmt.Sprintf(format, args...))
}

func (g *model) write() {
	g.writes = append(g.writes, fmt.Sprintf("%v %d %s", g.state, g.gen, g.ids()))
	g.stored = g.copy()
}

func (g *model) ids() string {
	var ids []string
	for _, m := range g.members {
		ids = append(ids, m.id)
	}
	return strings.Join(ids, " ")
}

func (g *model) member(id, instance string) (*modelMember, error) {
	if instance != "" {
		i := slices.IndexFunc(g.members, func(m *modelMember) bool { return m.instance == instance })
		if i < 0 {
			return nil, ErrUnknownMember
		}
		if g.members[i].id != id {
			return nil, ErrFencedInstance
		}
	}
	if i := slices.IndexFunc(g.members, func(m *modelMember) bool { return m.id == id }); i >= 0 {
		return g.members[i], nil
	}
	return nil, ErrUnknownMember
}

func (g *model) patience() (longest time.Duration) {
	for _, m := range g.members {
		longest = max(longest, m.rebalance)
	}
	return longest
}

func (g *model) joined() bool {
	return len(g.pending) == 0 && !slices.ContainsFunc(g.members, func(m *modelMember) bool { return m.join == 0 })
}

func (g *model) offeredByAll(name string) bool {
	return !slices.ContainsFunc(g.members, func(m *modelMember) bool {
		return !slices.ContainsFunc(m.protocols, func(p Protocol) bool { return p.Name == name })
	})
}

func (g *model) election() string {
	best, most := "", 0
	var order []string
	votes := map[string]int{}
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.offeredByAll(p.Name) {
				votes[p.Name]++
				order = append(order, p.Name)
				break
			}
		}
	}
	for _, name := range order {
		if votes[name] > most {
			best, most = name, votes[name]
		}
	}
	return best
}

func (g *model) Join(c Call, j *Join) {
	switch {
	case j.SessionTimeout < g.opts.MinSessionTimeout:
		g.answer(c, "%v (%s)", ErrInvalidSessionTimeout, j.Member)
		return
	case !g.exists && j.Member != "":
		g.answer(c, "%v (%s)", ErrUnknownMember, j.Member)
		return
	}
	g.exists = true
	g.letJoin(c, j)
	g.vanish()
}

// vanish: of a group that nobody joined, nothing stays.
func (g *model) vanish() {
	if g.state == Empty && g.stored == nil && len(g.pending) == 0 {
		g.exists = false
	}
}

func (g *model) letJoin(c Call, j *Join) {
	me, err := g.member(j.Member, "")
	waits := 0
	for _, m := range g.members {
		if m.join != 0 {
			waits++
		}
	}
	full := false
	switch g.state {
	case PreparingRebalance:
		full = (err != nil || me.join == 0) && waits >= g.opts.MaxMembers
	case CompletingRebalance, Stable:
		full = err != nil && len(g.members) >= g.opts.MaxMembers
	}
	if full {
		g.answer(c, "%v ()", ErrGroupFull)
		if err == nil {
			g.remove(me)
			g.lookDone()
		} else if _, ok := g.pending[j.Member]; ok {
			delete(g.pending, j.Member)
			g.lookDone()
		}
		return
	}
	fits := j.ProtocolType == g.kind && slices.ContainsFunc(j.Protocols, func(p Protocol) bool { return g.offeredByAll(p.Name) })
	if g.state == Empty {
		fits = j.ProtocolType != "" && len(j.Protocols) > 0
	}
	if !fits {
		g.answer(c, "%v (%s)", ErrInconsistentProtocol, j.Member)
		return
	}
	_, isPending := g.pending[j.Member]
	switch {
	case j.Member == "" && j.Instance != "":
		if old := slices.IndexFunc(g.members, func(m *modelMember) bool { return m.instance == j.Instance }); old >= 0 {
			g.takeOver(c, j, g.members[old])
			return
		}
		g.newMember(c, j, j.Instance+"-"+j.NewID)
	case j.Member == "" && j.KnowsRequired:
		id := j.ClientID + "-" + j.NewID
		g.pending[id] = g.now.Add(j.SessionTimeout)
		g.answer(c, "%v (%s)", ErrMemberIDRequired, id)
	case j.Member == "":
		g.newMember(c, j, j.ClientID+"-"+j.NewID)
	case isPending && j.Instance == "":
		delete(g.pending, j.Member)
		g.newMember(c, j, j.Member)
	default:
		g.again(c, j)
	}
}

func (g *model) newMember(c Call, j *Join, id string) {
	if len(g.members) == 0 {
		g.kind, g.leader = j.ProtocolType, id
	}
	if g.state == PreparingRebalance && g.from == Empty {
		g.late = true
	}
	g.members = append(g.members, &modelMember{
		id: id, instance: j.Instance, session: j.SessionTimeout, rebalance: j.RebalanceTimeout, protocols: j.Protocols, join: c,
		skips: j.KnowsSkip, fresh: true, ends: g.now.Add(g.opts.NewMemberJoinTimeout),
	})
	g.rebalance()
}

func (g *model) again(c Call, j *Join) {
	me, err := g.member(j.Member, j.Instance)
	if err != nil {
		g.answer(c, "%v (%s)", err, j.Member)
		return
	}
	same := fmt.Sprint(me.protocols) == fmt.Sprint(j.Protocols)
	if same && (g.state == CompletingRebalance || g.state == Stable && me.id != g.leader) {
		g.welcome(c, me, g.leader, me.id == g.leader, false)
		return
	}
	g.takeWord(c, me, j)
	g.rebalance()
}

func (g *model) takeWord(c Call, me *modelMember, j *Join) {
	if me.join != 0 {
		g.answer(me.join, "%v (%s)", ErrRebalanceInProgress, me.id)
	}
	me.protocols, me.session, me.rebalance, me.join, me.skips = j.Protocols, j.SessionTimeout, j.RebalanceTimeout, c, j.KnowsSkip
}

func (g *model) takeOver(c Call, j *Join, me *modelMember) {
	if me.join != 0 {
		g.answer(me.join, "%v (%s)", ErrFencedInstance, me.id)
		me.join = 0
	}
	if me.sync != 0 {
		g.answer(me.sync, "%v", ErrFencedInstance)
		me.sync = 0
	}
	before := g.leader
	if g.leader == me.id {
		g.leader = j.Instance + "-" + j.NewID
	}
	me.id, me.fresh, me.ends = j.Instance+"-"+j.NewID, false, g.now.Add(me.session)
	g.takeWord(c, me, j)
	switch {
	case g.state == Stable && g.election() != g.chosen, g.state == CompletingRebalance:
		g.prepare()
	case g.state == Stable:
		g.write()
		me.join = 0
		if j.KnowsSkip {
			g.welcome(c, me, g.leader, me.id == g.leader, me.id == g.leader)
		} else {
			g.welcome(c, me, before, false, false)
		}
	default:
		g.lookDone()
	}
}

func (g *model) welcome(c Call, me *modelMember, leader string, list, skip bool) {
	text := fmt.Sprintf("%s in %d, %s %s, led by %s", me.id, g.gen, g.kind, g.chosen, leader)
	if list {
		text += ": " + g.ids()
	}
	if skip {
		text += ", skip"
	}
	g.answer(c, "%s", text)
}

func (g *model) remove(me *modelMember) {
	if me.join != 0 {
		g.answer(me.join, "%v ()", ErrUnknownMember)
	}
	if me.sync != 0 {
		g.answer(me.sync, "%v", ErrUnknownMember)
	}
	g.members = slices.DeleteFunc(g.members, func(m *modelMember) bool { return m == me })
	if g.leader == me.id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

func (g *model) rebalance() {
	if g.state == PreparingRebalance {
		g.lookDone()
	} else {
		g.prepare()
	}
}

func (g *model) lookDone() {
	if g.state == PreparingRebalance && !g.first && g.joined() {
		g.begin()
	}
}

func (g *model) prepare() {
	if g.state == CompletingRebalance {
		for _, m := range g.members {
			m.assignment = ""
			if m.sync != 0 {
				g.answer(m.sync, "%v", ErrRebalanceInProgress)
				m.sync, m.ends = 0, g.now.Add(m.session)
			}
		}
	}
	g.syncBy = time.Time{}
	for _, m := range g.members {
		m.unsynced = false
	}
	g.from, g.state = g.state, PreparingRebalance
	switch {
	case g.from == Empty && g.opts.initialDelay() > 0:
		g.first, g.late, g.step = true, false, g.opts.initialDelay()
		g.rest = max(g.patience()-g.step, 0)
		g.joinBy = g.now.Add(g.step)
	case g.from == Empty || g.joined():
		g.begin()
	default:
		g.joinBy = g.now.Add(g.patience())
	}
}

func (g *model) joinOver() {
	if g.first && g.late && g.rest > 0 {
		step := min(g.opts.initialDelay(), g.rest)
		g.rest, g.late = max(g.rest-g.step, 0), false
		g.step, g.joinBy = step, g.now.Add(step)
		return
	}
	g.begin()
}

func (g *model) begin() {
	g.joinBy, g.first = time.Time{}, false
	for _, m := range slices.Clone(g.members) {
		if m.join == 0 && m.instance == "" {
			g.remove(m)
		}
	}
	if len(g.members) > 0 {
		there := slices.IndexFunc(g.members, func(m *modelMember) bool { return m.join != 0 })
		if there < 0 {
			g.joinBy = g.now.Add(max(g.patience(), time.Second))
			return
		}
		if leader, _ := g.member(g.leader, ""); leader.join == 0 {
			g.leader = g.members[there].id
		}
	}
	g.gen++
	if len(g.members) == 0 {
		g.from, g.state, g.chosen = g.state, Empty, ""
		g.write()
		return
	}
	g.from, g.state, g.chosen = g.state, CompletingRebalance, g.election()
	g.write()
	for _, m := range g.members {
		if m.join != 0 {
			g.welcome(m.join, m, g.leader, m.id == g.leader, false)
		}
		m.join, m.fresh, m.unsynced, m.ends = 0, false, true, g.now.Add(m.session)
	}
	g.syncBy = g.now.Add(g.patience())
}

func (g *model) Sync(c Call, s *Sync) {
	me, err := g.member(s.Member, s.Instance)
	switch {
	case !g.exists:
		err = ErrUnknownMember
	case err != nil:
	case s.Generation != g.gen:
		err = ErrIllegalGeneration
	case g.state == PreparingRebalance:
		err = ErrRebalanceInProgress
	}
	if err != nil {
		g.answer(c, "%v", err)
		return
	}
	if me.sync != 0 {
		g.answer(me.sync, "%v", ErrRebalanceInProgress)
	}
	me.sync, me.unsynced = c, false
	if !slices.ContainsFunc(g.members, func(m *modelMember) bool { return m.unsynced }) {
		g.syncBy = time.Time{}
	}
	if g.state == CompletingRebalance && me.id == g.leader {
		for _, m := range g.members {
			m.assignment = ""
			for _, a := range s.Assignments {
				if a.Member == m.id {
					m.assignment = string(a.Bytes)
				}
			}
		}
		g.from, g.state = g.state, Stable
		g.write()
		for _, m := range g.members {
			if m.sync != 0 {
				g.answer(m.sync, "assigned %q", m.assignment)
				m.sync, m.ends = 0, g.now.Add(m.session)
			}
		}
	} else if g.state == Stable {
		g.answer(c, "assigned %q", me.assignment)
		me.sync = 0
	}
}

func (g *model) Heartbeat(h *Heartbeat) error {
	me, err := g.member(h.Member, h.Instance)
	switch {
	case !g.exists:
		return ErrUnknownMember
	case err != nil:
		return err
	case h.Generation != g.gen:
		return ErrIllegalGeneration
	}
	if !me.fresh {
		me.ends = g.now.Add(me.session)
	}
	if g.state == PreparingRebalance {
		return ErrRebalanceInProgress
	}
	return nil
}

func (g *model) Commit(c *Commit) error {
	outsider := c.Generation < 0
	switch {
	case outsider && (!g.exists || g.state == Empty):
		return nil
	case !g.exists:
		return ErrUnknownGroup
	case outsider && c.Member == "":
		return ErrUnknownMember
	}
	me, err := g.member(c.Member, c.Instance)
	switch {
	case err != nil:
		return err
	case c.Generation != g.gen:
		return ErrIllegalGeneration
	case g.state == CompletingRebalance:
		return ErrRebalanceInProgress
	}
	if !me.fresh {
		me.ends = g.now.Add(me.session)
	}
	return nil
}

func (g *model) Leave(c Call, l *Leave) {
	texts := make([]string, len(l.Members))
	gone := false
	for i, who := range l.Members {
		if _, ok := g.pending[who.Member]; ok && who.Instance == "" {
			delete(g.pending, who.Member)
			texts[i] = "ok"
			continue
		}
		me, err := g.member(who.Member, who.Instance)
		if who.Member == "" {
			err = ErrUnknownMember
			if n := slices.IndexFunc(g.members, func(m *modelMember) bool { return who.Instance != "" && m.instance == who.Instance }); n >= 0 {
				me, err = g.members[n], nil
			}
		}
		if texts[i] = verdict(err); err == nil {
			g.remove(me)
			gone = true
		}
	}
	switch {
	case g.state == PreparingRebalance:
		g.lookDone()
	case gone:
		g.prepare()
	}
	g.answer(c, "%s", strings.Join(texts, "; "))
	g.vanish()
}

// due is the earliest moment at which something happens by itself.
func (g *model) due() (first time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	sooner(g.joinBy)
	sooner(g.syncBy)
	for _, ends := range g.pending {
		sooner(ends)
	}
	for _, m := range g.members {
		sooner(m.ends)
	}
	return first
}

// tick does one thing that is due now; false if there is none. The order of things that are due at once is left to the
// machine: the test avoids them.
func (g *model) tick() bool {
	over := func(t time.Time) bool { return !t.IsZero() && !t.After(g.now) }
	for id, ends := range g.pending {
		if over(ends) {
			delete(g.pending, id)
			if g.state == PreparingRebalance && g.joined() {
				g.begin()
			}
			g.vanish()
			return true
		}
	}
	for _, m := range g.members {
		if !over(m.ends) {
			continue
		}
		m.ends = time.Time{}
		if !m.fresh && (m.join != 0 || m.sync != 0) {
			return true
		}
		g.remove(m)
		if g.state != PreparingRebalance {
			g.prepare()
		} else if g.joined() {
			g.begin()
		}
		return true
	}
	switch {
	case over(g.joinBy):
		g.joinBy = time.Time{}
		g.joinOver()
	case over(g.syncBy):
		g.syncBy = time.Time{}
		g.syncOver()
	default:
		return false
	}
	return true
}

func (g *model) syncOver() {
	if !slices.ContainsFunc(g.members, func(m *modelMember) bool { return m.unsynced }) {
		return
	}
	for _, m := range slices.Clone(g.members) {
		if m.unsynced {
			g.remove(m)
		}
	}
	g.prepare()
}

// history drives a machine and a model with the same random operations.
type history struct {
	t     *testing.T
	rng   *rand.Rand
	opts  Options
	m     *Machine
	model *model
	calls Call
	ids   int
	known []string                           // ids of members, past ones too
	insts map[string]string                  // the instance of an id
	gens  int32                              // greatest generation that was stored
	where string                             // for error messages
	disk  []byte                             // the group's record
	open  map[Call]bool                      // calls that wait
	got   struct{ answers, writes []string } // of the machine, since the last comparison
}

var modelSeeds = flag.Int("model.seeds", 8, "random histories that TestModel runs")

// TestModel compares the machine with the model over random histories of members that join, sync, hang, come back, leave
// and lie, with restarts of the coordinator in between.
func TestModel(t *testing.T) {
	for seed := range *modelSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			h := &history{t: t, rng: rng, insts: map[string]string{}, open: map[Call]bool{}}
			h.opts = Options{InitialRebalanceDelay: []time.Duration{-1, 2 * time.Second}[seed%2], NewMemberJoinTimeout: 20 * time.Second,
				MaxMembers: 2 + rng.IntN(8)}.WithDefaults()
			h.m, h.model = New(h.opts), newModel(h.opts)
			for i := range 1000 {
				h.where = fmt.Sprintf("seed %d step %d", seed, i)
				h.step()
				if t.Failed() {
					return
				}
			}
		})
	}
}

func (h *history) step() {
	h.advance(time.Duration(1+h.rng.IntN(1500))*time.Millisecond + time.Duration(h.rng.IntN(1_000_000)))
	switch h.rng.IntN(12) {
	case 0, 1, 2, 3:
		h.join()
	case 4, 5, 6:
		h.sync()
	case 7, 8:
		b := &Heartbeat{Group: "g", Member: h.someID(), Generation: h.someGeneration()}
		b.Instance = h.instanceOf(b.Member)
		h.same(verdict(h.m.Heartbeat(h.model.now, b)), verdict(h.model.Heartbeat(b)))
	case 9:
		c := &Commit{Group: "g", Member: h.someID(), Generation: h.someGeneration(), KnowsUnknownGroup: true}
		c.Instance = h.instanceOf(c.Member)
		h.same(verdict(h.m.Commit(h.model.now, c)), verdict(h.model.Commit(c)))
	case 10:
		h.leave()
	case 11:
		if h.rng.IntN(6) == 0 {
			h.restart()
		}
	}
	h.compare()
}

// advance lets time pass from event to event.
func (h *history) advance(d time.Duration) {
	end := h.model.now.Add(d)
	for {
		due := h.model.due()
		if due.IsZero() || due.After(end) {
			break
		}
		h.model.now = due
		h.effects(h.m.Tick(due))
		for h.model.tick() {
		}
		h.compare()
		if h.t.Failed() {
			return
		}
	}
	h.model.now = end
	h.effects(h.m.Tick(end))
	h.compare()
}

func (h *history) someID() string {
	if len(h.known) == 0 || h.rng.IntN(20) == 0 {
		return "nobody"
	}
	return h.known[max(0, len(h.known)-1-h.rng.IntN(6))]
}

func (h *history) instanceOf(id string) string {
	switch h.rng.IntN(12) {
	case 0:
		return ""
	case 1:
		return "A"
	}
	return h.insts[id]
}

func (h *history) someGeneration() int32 {
	if h.rng.IntN(5) == 0 {
		return h.model.gen - 2 + int32(h.rng.IntN(4))
	}
	return h.model.gen
}

func (h *history) call() Call {
	h.calls++
	h.open[h.calls] = true
	return h.calls
}

func (h *history) join() {
	h.ids++
	// Even and odd milliseconds keep deadlines from falling together, also when they all begin with a restart.
	odd := time.Duration(h.ids%400) * 2 * time.Millisecond
	j := Join{
		Group: "g", ClientID: "c", NewID: fmt.Sprint(h.ids), SessionTimeout: time.Duration(6+h.rng.IntN(6))*time.Second + odd,
		RebalanceTimeout: time.Duration(h.rng.IntN(12))*time.Second + odd + time.Millisecond, ProtocolType: ConsumerType,
		KnowsRequired: h.rng.IntN(3) > 0, KnowsSkip: h.rng.IntN(2) == 0,
		Protocols: [][]Protocol{
			{{"range", []byte("r")}}, {{"range", []byte("r")}, {"sticky", []byte("s")}}, {{"sticky", []byte("s")}, {"range", []byte("r")}},
			{{"range", fmt.Append(nil, h.rng.IntN(3))}, {"sticky", []byte("s")}}, {{"other", nil}}, {},
		}[min(h.rng.IntN(20)/4+h.rng.IntN(12)/11, 5)],
	}
	switch h.rng.IntN(10) {
	case 0, 1:
		j.Instance = string(rune('A' + h.rng.IntN(3)))
	case 2, 3, 4, 5, 6:
		j.Member = h.someID()
		j.Instance = h.instanceOf(j.Member)
	case 7:
		if h.rng.IntN(4) == 0 {
			j.ProtocolType = "connect"
		}
	case 8:
		if h.rng.IntN(4) == 0 {
			j.SessionTimeout = time.Second
		}
	}
	mine, call := j, h.call()
	mine.Protocols = slices.Clone(j.Protocols)
	h.effects(h.m.Join(h.model.now, call, &mine))
	h.model.Join(call, &j)
}

func (h *history) sync() {
	s := &Sync{Group: "g", Member: h.someID(), Generation: h.someGeneration()}
	if h.rng.IntN(3) > 0 && h.model.leader != "" {
		s.Member = h.model.leader
	}
	s.Instance = h.instanceOf(s.Member)
	for _, m := range h.model.members {
		if h.rng.IntN(6) > 0 {
			s.Assignments = append(s.Assignments, Assignment{m.id, fmt.Appendf(nil, "%s@%d", m.id, h.model.gen)})
		}
	}
	call := h.call()
	h.effects(h.m.Sync(h.model.now, call, s))
	h.model.Sync(call, s)
}

func (h *history) leave() {
	l := &Leave{Group: "g"}
	for range 1 + h.rng.IntN(2) {
		who := Leaving{Member: h.someID()}
		who.Instance = h.instanceOf(who.Member)
		if h.rng.IntN(6) == 0 {
			who = Leaving{Instance: string(rune('A' + h.rng.IntN(4)))}
		}
		l.Members = append(l.Members, who)
	}
	call := h.call()
	h.effects(h.m.Leave(h.model.now, call, l))
	h.model.Leave(call, l)
}

func (h *history) restart() {
	h.m = New(h.opts)
	if h.disk != nil {
		if err := h.m.Load(h.model.now, "g", h.disk); err != nil {
			h.t.Fatalf("%s: %v", h.where, err)
		}
	}
	h.model = h.model.restart()
	clear(h.open)
	h.effects(h.m.Settle(h.model.now))
}

func (h *history) effects(e Effects) {
	for _, w := range e.Writes {
		m := New(h.opts)
		if err := m.Load(h.model.now, "g", w.Record); err != nil {
			h.t.Fatalf("%s: %v", h.where, err)
		}
		h.disk = w.Record
		g := m.groups["g"]
		var ids []string
		for _, mem := range g.members {
			ids = append(ids, mem.id)
		}
		h.got.writes = append(h.got.writes, fmt.Sprintf("%v %d %s", g.state, g.generation, strings.Join(ids, " ")))
		if g.generation < h.gens || g.generation == h.gens && g.state != Stable {
			h.t.Errorf("%s: generation %d is stored in state %v after %d", h.where, g.generation, g.state, h.gens)
		}
		h.gens = g.generation
	}
	for _, r := range e.Replies {
		if !h.open[r.Call] {
			h.t.Errorf("%s: call %d is answered twice: %+v", h.where, r.Call, r.Body)
		}
		delete(h.open, r.Call)
		h.got.answers = append(h.got.answers, fmt.Sprintf("%d: %s", r.Call, h.text(r.Body)))
	}
}

func (h *history) text(body any) string {
	switch b := body.(type) {
	case Joined:
		if b.Member != "" && (b.Err == nil || errors.Is(b.Err, ErrMemberIDRequired)) && !slices.Contains(h.known, b.Member) {
			h.known = append(h.known, b.Member)
			if !strings.HasPrefix(b.Member, "c-") {
				h.insts[b.Member] = b.Member[:1]
			}
		}
		if b.Err != nil {
			return fmt.Sprintf("%v (%s)", b.Err, b.Member)
		}
		text := fmt.Sprintf("%s in %d, %s %s, led by %s", b.Member, b.Generation, b.ProtocolType, b.Protocol, b.Leader)
		if b.Members != nil {
			var ids []string
			for _, m := range b.Members {
				ids = append(ids, m.ID)
			}
			text += ": " + strings.Join(ids, " ")
		}
		if b.Skip {
			text += ", skip"
		}
		return text
	case Synced:
		if b.Err != nil {
			return b.Err.Error()
		}
		return fmt.Sprintf("assigned %q", b.Assignment)
	case Left:
		var texts []string
		for _, err := range b.Members {
			texts = append(texts, verdict(err))
		}
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%T", body)
}

func (h *history) same(got, want string) {
	h.t.Helper()
	if got != want {
		h.t.Errorf("%s: the machine says %q, the model %q", h.where, got, want)
	}
}

// compare compares what was answered and stored, and where the group stands.
func (h *history) compare() {
	h.t.Helper()
	slices.Sort(h.got.answers)
	slices.Sort(h.model.answers)
	h.same(strings.Join(h.got.answers, "\n"), strings.Join(h.model.answers, "\n"))
	h.same(strings.Join(h.got.writes, "\n"), strings.Join(h.model.writes, "\n"))
	h.got.answers, h.got.writes, h.model.answers, h.model.writes = nil, nil, nil, nil
	if err := checkMachine(h.m); err != nil {
		h.t.Errorf("%s: %v", h.where, err)
	}
	h.same(h.stateOfMachine(), h.stateOfModel())
	next, ok := h.m.Next()
	if due := h.model.due(); ok == due.IsZero() || ok && !next.Equal(due) {
		h.t.Errorf("%s: the machine is due at %v, the model at %v", h.where, next.Sub(epoch), due.Sub(epoch))
	}
}

func (h *history) stateOfMachine() string {
	g := h.m.groups["g"]
	if g == nil {
		return "none"
	}
	text := fmt.Sprintf("%v %d %s %s led by %q, %d pending:", g.state, g.generation, g.protocolType, g.protocol, g.leader, len(g.pending))
	for _, m := range g.members {
		text += fmt.Sprintf(" %s(%d %d %q %v)", m.id, m.join, m.sync, m.assignment, m.unsynced)
	}
	return text
}

func (h *history) stateOfModel() string {
	g := h.model
	if !g.exists {
		return "none"
	}
	text := fmt.Sprintf("%v %d %s %s led by %q, %d pending:", g.state, g.gen, g.kind, g.chosen, g.leader, len(g.pending))
	for _, m := range g.members {
		text += fmt.Sprintf(" %s(%d %d %q %v)", m.id, m.join, m.sync, m.assignment, m.unsynced)
	}
	return text
}
