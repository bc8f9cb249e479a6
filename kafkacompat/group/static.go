package group

// joinStatic lets a static member in that has no member id: a new one, or one whose process was started anew. Only the
// instance id counts then; the old member id is fenced from now on (KIP-345).
func (g *group) joinStatic(call Call, j *Join) {
	old := g.static[j.Instance]
	id := j.Instance + "-" + j.NewID
	if old == nil {
		g.letIn(call, j, id)
		return
	}
	if g.bytes-old.size()+memberCost+len(id)+len(j.Instance)+len(j.ClientID)+len(j.ClientHost)+protocolBytes(j.Protocols)+
		len(old.assignment) > g.m.opts.MaxGroupBytes {
		g.reply(call, Joined{Err: ErrTooLarge})
		return
	}
	g.note("static member " + j.Instance + " is taken over: " + old.id + " becomes " + id)
	ledBefore := g.leader
	mem := g.replace(old, id, j)
	g.update(mem, call, j)
	switch g.state {
	case Stable:
		g.settleStatic(mem, j, ledBefore)
	case CompletingRebalance:
		// The leader may be assigning to the old id already.
		g.prepare("static member " + id + " was started anew" + because(j.Reason))
	default:
		g.completeIfJoined()
	}
}

// replace gives a member a new id, and tells who still waits under the old one that it has been replaced.
func (g *group) replace(mem *member, id string, j *Join) *member {
	g.answerJoin(mem, Joined{Err: ErrFencedInstance, Member: mem.id})
	g.answerSync(mem, Synced{Err: ErrFencedInstance})
	led := g.leader == mem.id
	delete(g.byID, mem.id)
	g.change(mem, func() { mem.id, mem.clientID, mem.clientHost = id, j.ClientID, j.ClientHost })
	g.byID[id] = mem
	if led {
		g.leader = id
	}
	mem.isNew = false
	g.renew(mem)
	return mem
}

// settleStatic lets a restarted member of a stable group go on with the assignment it had, without a rebalance, unless the
// group would choose another protocol now.
//
// It must not assign if it leads: nobody would get what it assigns. Clients that know version 9 are told so; to older ones
// the leader is named by its former id, so that they don't know themselves.
func (g *group) settleStatic(mem *member, j *Join, ledBefore string) {
	if g.choose() != g.protocol {
		g.rebalance("static member " + mem.id + " changes the group's protocol" + because(j.Reason))
		return
	}
	g.store()
	answer := g.joined(mem)
	if j.KnowsSkip {
		answer.Skip = mem.id == g.leader
	} else {
		answer.Leader, answer.Members = ledBefore, nil
	}
	g.answerJoin(mem, answer)
}
