package raftlog

import (
	"fmt"
	"sync"
)

// simLedger is the all-knowing observer: it hears of every entry that any replica applies, of every answer that a client
// gets, and of every promise that a replica sends. What contradicts an earlier fact is a violation, there and then.
type simLedger struct {
	violated func(text string)

	mu       sync.Mutex
	entries  map[Index]simEntry
	stored   map[uint64]Index // attempt → where it is stored
	effects  map[simKey]Index // command → where it was applied
	attempts map[uint64]*simAttempt
	serial   uint64 // attempts so far
	top      Index  // highest entry that any replica has applied
	acked    Index  // highest place that a client was told

	leaders map[Term]ReplicaID
	votes   map[simVote]ReplicaID
	terms   map[ReplicaID]Term // highest term in which a replica has promised something
}

// simEntry is what the first replica that applied an entry found in it.
type simEntry struct {
	term   Term
	time   int64
	digest uint64
	by     ReplicaID
}

type simVote struct {
	voter ReplicaID
	term  Term
}

// simAnswer is what a client was told.
type simAnswer uint8

const (
	simPending simAnswer = iota
	simStored
	simNotStored
	simUnknown
)

// simAttempt is one Propose.
type simAttempt struct {
	command simCommand
	answer  simAnswer
	result  simResult
	err     error
	after   Index // highest place that was acknowledged to anybody before this was proposed
}

func newSimLedger(violated func(string)) *simLedger {
	return &simLedger{
		violated: violated, entries: map[Index]simEntry{}, stored: map[uint64]Index{}, effects: map[simKey]Index{},
		attempts: map[uint64]*simAttempt{}, leaders: map[Term]ReplicaID{}, votes: map[simVote]ReplicaID{},
		terms: map[ReplicaID]Term{},
	}
}

func (l *simLedger) violate(format string, args ...any) { l.violated(fmt.Sprintf(format, args...)) }

// propose notes an attempt before it is made.
func (l *simLedger) propose(k simKey) *simAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	a := &simAttempt{command: simCommand{k, l.serial}, after: l.acked}
	l.attempts[l.serial] = a
	return a
}

// answer notes what an attempt's ticket said.
func (l *simLedger) answer(a *simAttempt, answer simAnswer, result simResult, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.answer, a.result, a.err = answer, result, err
	if answer == simStored {
		l.acked = max(l.acked, result.At)
	}
	l.checkAnswer(a)
}

// checkAnswer holds an answer against what is known by now; the end of the simulation does it again. It needs mu.
func (l *simLedger) checkAnswer(a *simAttempt) {
	at, stored := l.stored[a.command.attempt]
	switch a.answer {
	case simNotStored:
		if stored {
			l.violate("attempt %d of command %v was answered %q and is stored at %d", a.command.attempt, a.command.simKey, a.err, at)
		}
	case simStored:
		if !stored || at != a.result.At {
			l.violate("attempt %d of command %v was told index %d and is stored at %d", a.command.attempt, a.command.simKey, a.result.At, at)
		}
		if l.effects[a.command.simKey] != a.result.First {
			l.violate("command %v was told index %d and was applied at %d", a.command.simKey, a.result.First, l.effects[a.command.simKey])
		}
		if a.result.At < a.after {
			l.violate("attempt %d is stored at %d, before %d, which was acknowledged before it was proposed",
				a.command.attempt, a.result.At, a.after)
		}
	}
}

// applied notes an entry that a replica has applied. Every replica, in each of its lives, must find the same.
func (l *simLedger) applied(by ReplicaID, e *Entry, outcomes []simOutcome) {
	found := simEntry{term: e.Term, time: e.Time, digest: entryDigest(e), by: by}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.top = max(l.top, e.Index)
	known, ok := l.entries[e.Index]
	if !ok {
		l.entries[e.Index] = found
		for _, o := range outcomes {
			l.enter(e.Index, o)
		}
		return
	}
	if known.term != found.term || known.time != found.time || known.digest != found.digest {
		l.violate("replica %d applied at %d term %d, time %d, digest %x; replica %d applies term %d, time %d, digest %x",
			known.by, e.Index, known.term, known.time, known.digest, by, found.term, found.time, found.digest)
	}
}

// enter notes a command of an entry that is applied for the first time anywhere. It needs mu.
func (l *simLedger) enter(index Index, o simOutcome) {
	if o.err != nil {
		l.violate("entry %d holds a command that nobody proposed: %v", index, o.err)
		return
	}
	c := o.command
	if l.attempts[c.attempt] == nil || l.attempts[c.attempt].command != c {
		l.violate("entry %d holds attempt %d of command %v, which nobody made", index, c.attempt, c.simKey)
	}
	if at, twice := l.stored[c.attempt]; twice {
		l.violate("attempt %d of command %v is stored at %d and at %d", c.attempt, c.simKey, at, index)
	}
	l.stored[c.attempt] = index
	if o.result.Duplicate {
		return
	}
	if at, twice := l.effects[c.simKey]; twice {
		l.violate("command %v is applied at %d and at %d", c.simKey, at, index)
	}
	l.effects[c.simKey] = index
}

// entryDigest covers the commands of an entry.
func entryDigest(e *Entry) uint64 {
	h := uint64(len(e.Commands))
	for i := range e.Commands {
		c := &e.Commands[i]
		h = mix(h, uint64(c.Kind), uint64(c.Version), bytesDigest(c.Head), bytesDigest(c.Body))
	}
	return h
}

// leads notes that a replica sent what only the leader of a term may.
func (l *simLedger) leads(id ReplicaID, term Term) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.leaders[term]; ok && other != id {
		l.violate("replicas %d and %d both lead in term %d", other, id, term)
	}
	l.leaders[term] = id
}

// promises notes a message that a replica may only send once its term is durable.
func (l *simLedger) promises(id ReplicaID, term Term) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.terms[id] = max(l.terms[id], term)
}

// votes notes a vote that has left its voter.
func (l *simLedger) vote(voter ReplicaID, term Term, candidate ReplicaID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := simVote{voter, term}
	if other, ok := l.votes[v]; ok && other != candidate {
		l.violate("replica %d voted for %d and for %d in term %d", voter, other, candidate, term)
	}
	l.votes[v] = candidate
}

// reopened holds the hard state with which a replica comes back against what it has promised.
func (l *simLedger) reopened(id ReplicaID, term Term, vote ReplicaID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if term < l.terms[id] {
		l.violate("replica %d comes back in term %d after it promised something in term %d", id, term, l.terms[id])
	}
	if cast, ok := l.votes[simVote{id, term}]; ok && cast != vote {
		l.violate("replica %d comes back in term %d with a vote for %d after it voted for %d", id, term, vote, cast)
	}
}

// forget drops a replica's promises, so that what follows from breaking them must be noticed.
func (l *simLedger) forget(id ReplicaID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.terms, id)
	for v := range l.votes {
		if v.voter == id {
			delete(l.votes, v)
		}
	}
}

// barrier is what a read that begins now must see: everything that was applied, and so committed, anywhere.
func (l *simLedger) barrier() Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.top
}

// settle checks every answer again when all replicas have applied everything.
func (l *simLedger) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := uint64(1); i <= l.serial; i++ {
		l.checkAnswer(l.attempts[i])
	}
}
