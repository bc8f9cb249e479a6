package raftlog

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// simNetwork carries messages between replicas. Each direction of each pair is a link of its own, with its own random
// numbers, so that one link's fate does not depend on what happens on others. Messages are lost, delayed, doubled and
// damaged as the weather says; without reordering a link is a queue.
type simNetwork struct {
	w *simWorld

	mu      sync.Mutex // guards all below
	links   map[simLinkKey]*simLink
	cut     map[[2]int]int // machines from → to that cannot talk, counted: cuts overlap
	weather simWeather
	whole   bool // cuts do not count any more
	sent    int
}

type simLinkKey struct{ from, to ReplicaID }

// simLink is one direction between two replicas.
type simLink struct {
	rng  *rand.Rand
	last time.Time // when the newest message arrives
}

// simWeather is how the network behaves now.
type simWeather struct {
	loss, double, damage float64 // probabilities
	minDelay, maxDelay   time.Duration
	reorder              bool
}

func newSimNetwork(w *simWorld, weather simWeather) *simNetwork {
	return &simNetwork{w: w, links: map[simLinkKey]*simLink{}, cut: map[[2]int]int{}, weather: weather}
}

func (n *simNetwork) setWeather(weather simWeather) (before simWeather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, n.weather = n.weather, weather
	return before
}

// sever cuts one direction between two machines until the returned function is called.
func (n *simNetwork) sever(from, to int) (heal func()) {
	key := [2]int{from, to}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[key]++
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.cut[key]--
	})
}

func (n *simNetwork) severed(from, to int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[[2]int{from, to}] > 0 && !n.whole
}

// calm ends all cuts, losses and delays.
func (n *simNetwork) calm() {
	n.setWeather(simWeather{minDelay: time.Millisecond, maxDelay: 2 * time.Millisecond})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.whole = true
}

// link needs mu.
func (n *simNetwork) link(from, to ReplicaID) *simLink {
	key := simLinkKey{from, to}
	l := n.links[key]
	if l == nil {
		l = &simLink{rng: rand.New(rand.NewPCG(n.w.seed, uint64(from)<<32|uint64(to)))}
		n.links[key] = l
	}
	return l
}

// route decides when copies of a message arrive, and where one of them is damaged (-1: nowhere).
func (n *simNetwork) route(from, to ReplicaID, size int) (delays []time.Duration, flip int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent++
	l, w := n.link(from, to), n.weather
	copies := 1
	if l.rng.Float64() < w.double {
		copies = 2
	}
	flip = -1
	if l.rng.Float64() < w.damage {
		flip = l.rng.IntN(size * 8)
	}
	now := time.Now()
	for range copies {
		lost := l.rng.Float64() < w.loss
		at := now.Add(w.minDelay + time.Duration(l.rng.Int64N(int64(w.maxDelay-w.minDelay)+1)))
		if !w.reorder {
			if !at.After(l.last) {
				at = l.last.Add(time.Microsecond)
			}
			l.last = at
		}
		if !lost {
			delays = append(delays, at.Sub(now))
		}
	}
	return delays, flip
}

// simPort is the Transport of one life of a replica.
type simPort struct {
	node *simNode
	life int
}

// Send is called by the log; it copies the message, as a socket would.
func (p *simPort) Send(to ReplicaID, m Message) {
	n := p.node.w.net
	if !p.node.alive(p.life) {
		return
	}
	b := slices.Concat(m.Buffers()...)
	if len(b) != m.Size() {
		p.node.w.violate("a message claims %d bytes and has %d", m.Size(), len(b))
	}
	p.watch(b)
	delays, flip := n.route(p.node.id, to, len(b))
	for i, delay := range delays {
		frame := slices.Clone(b)
		if i == 0 && flip >= 0 {
			frame[flip/8] ^= 1 << (flip % 8)
		}
		time.AfterFunc(delay, func() { n.deliver(p.node, to, frame, i == 0 && flip >= 0) })
	}
}

// watch tells the ledger what a message promises. Requests may leave before the term is durable; answers may not.
func (p *simPort) watch(b []byte) {
	m, _, err := decodeMessage(b)
	if err != nil {
		p.node.w.violate("replica %d sends what cannot be decoded: %v", p.node.id, err)
		return
	}
	ledger, from, term := p.node.judge(), ReplicaID(m.GetFrom()), Term(m.GetTerm())
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		ledger.leads(from, term)
	case raftpb.MsgVoteResp:
		ledger.promises(from, term)
		if !m.GetReject() {
			ledger.vote(from, term, ReplicaID(m.GetTo()))
		}
	case raftpb.MsgAppResp:
		ledger.promises(from, term)
	}
}

// deliver hands a frame to whoever is there now.
func (n *simNetwork) deliver(from *simNode, to ReplicaID, frame []byte, damaged bool) {
	target := n.w.node(to)
	if target == nil || n.severed(from.host, target.host) {
		return
	}
	l, _ := target.running()
	if l == nil {
		return
	}
	err := l.Step(frame)
	if (err != nil) != damaged {
		n.w.violate("replica %d gets a message (damaged: %t) and answers %v", to, damaged, err)
	}
}

var errSimUnreachable = errors.New("the simulated network does not reach that machine")

// FetchFile reads a snapshot's file from a peer; it takes a round trip.
func (p *simPort) FetchFile(from ReplicaID, file string, off int64, buf []byte) (int, error) {
	n := p.node.w.net
	source := n.w.node(from)
	if source == nil {
		return 0, errSimUnreachable
	}
	delays, flip := n.route(p.node.id, from, max(len(buf), 1))
	if len(delays) == 0 || n.severed(p.node.host, source.host) || n.severed(source.host, p.node.host) {
		n.w.sleep(100 * time.Millisecond)
		return 0, errSimUnreachable
	}
	n.w.sleep(2 * delays[0])
	l, _ := source.running()
	if l == nil || !p.node.alive(p.life) {
		return 0, errSimUnreachable
	}
	if off%3 == 0 && len(buf) > 1 {
		buf = buf[:len(buf)/2] // a short read is no end of file
	}
	got, err := l.ReadSnapshotFile(file, off, buf)
	if flip >= 0 && flip/8 < got {
		buf[flip/8] ^= 1 << (flip % 8) // the receiver must find out by itself
	}
	return got, err
}
