package rocketcompat

import (
	"log/slog"
	"net/netip"
	"sort"
	"sync"
	"time"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat/filter"
)

// Session is one client's connection, as a door sees it. Sessions are told apart by identity.
type Session interface {
	// Remote is the client's address.
	Remote() netip.AddrPort
	// ConsumersChanged tells the client that a group it takes part in has changed. It does not wait.
	ConsumersChanged(group string)
}

// clients knows who is connected and takes part in which groups. It is memory and nothing else: clients say it again
// every thirty seconds, and at once after a reconnect.
//
// mu guards everything in it. Sessions are called without it.
type clients struct {
	log *slog.Logger
	now func() time.Time

	mu        sync.Mutex
	sessions  map[Session]*client
	consumers map[string]map[Session]*member // by group
	producers map[string]map[Session]*client // by group
}

// client is one session that has sent a heartbeat.
type client struct {
	id        string
	language  string
	version   int32
	heard     time.Time
	consumes  map[string]struct{} // groups
	produces  map[string]struct{} // groups
	sessionOf Session
}

// member is a client's part in one consumer group.
type member struct {
	*client
	kind  remoting.ConsumeType
	model remoting.MessageModel
	from  remoting.ConsumeFrom
	wants map[string]*wish // by topic
}

// wish is what a member wants of a topic. A wish that can't be parsed is kept with its error, which every pull that goes
// by it gets.
type wish struct {
	data    remoting.SubscriptionData
	filter  *filter.Filter
	err     error
	version int64 // the greatest that the member ever named for this topic
}

func newClients(log *slog.Logger, now func() time.Time) *clients {
	return &clients{
		log: log, now: now,
		sessions:  map[Session]*client{},
		consumers: map[string]map[Session]*member{},
		producers: map[string]map[Session]*client{},
	}
}

// ClientInfo is what a client says of itself, beside its groups.
type ClientInfo struct {
	ID       string
	Language string
	Version  int32
}

// changed is a group whose members must be told, and who they are.
type changed struct {
	group   string
	members []Session
}

// heartbeat takes in what a client says and returns the groups that changed by it.
func (c *clients) heartbeat(s Session, info ClientInfo, beat *remoting.Heartbeat) []changed {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.sessions[s]
	if cl == nil {
		cl = &client{consumes: map[string]struct{}{}, produces: map[string]struct{}{}, sessionOf: s}
		c.sessions[s] = cl
	}
	cl.id, cl.language, cl.version, cl.heard = info.ID, info.Language, info.Version, c.now()
	if beat.WithoutSub {
		return nil // the same as last time: no news but that the client lives
	}
	for _, p := range beat.Producers {
		c.addProducer(cl, p.Group)
	}
	var told []changed
	for i := range beat.Consumers {
		if c.addConsumer(cl, &beat.Consumers[i]) {
			told = append(told, c.changed(beat.Consumers[i].Group))
		}
	}
	return told
}

func (c *clients) addProducer(cl *client, group string) {
	members := c.producers[group]
	if members == nil {
		members = map[Session]*client{}
		c.producers[group] = members
	}
	members[cl.sessionOf] = cl
	cl.produces[group] = struct{}{}
}

// addConsumer reports whether others have to share anew: the member is new, or the topics it wants have changed. As
// upstream, another expression for the same topic is no reason (ConsumerGroupInfo.updateSubscription).
func (c *clients) addConsumer(cl *client, data *remoting.ConsumerData) bool {
	members := c.consumers[data.Group]
	if members == nil {
		members = map[Session]*member{}
		c.consumers[data.Group] = members
	}
	m, known := members[cl.sessionOf]
	if !known {
		c.warnOfTwin(cl, data.Group, members)
		m = &member{client: cl, wants: map[string]*wish{}}
		members[cl.sessionOf] = m
		cl.consumes[data.Group] = struct{}{}
	}
	m.kind, m.model, m.from = data.Type, data.Model, data.From
	news := m.subscribe(data.Subscriptions)
	return (!known || news) && m.model != remoting.Broadcasting
}

// warnOfTwin names clients that call themselves the same: they will both take the same share of the queues, and another
// share is read by nobody.
func (c *clients) warnOfTwin(cl *client, group string, members map[Session]*member) {
	for s, other := range members {
		if other.id == cl.id {
			c.log.Warn("two members of a group have the same client id; some queues will not be read",
				"group", group, "client_id", cl.id, "first", s.Remote(), "second", cl.sessionOf.Remote())
			return
		}
	}
}

// subscribe takes over the topics that a member wants now and reports whether it is another set of topics.
func (m *member) subscribe(subscriptions []remoting.SubscriptionData) bool {
	wants := make(map[string]*wish, len(subscriptions))
	news := len(subscriptions) != len(m.wants)
	for _, data := range subscriptions {
		had, known := m.wants[data.Topic]
		news = news || !known
		w := &wish{data: data, version: int64(data.Version)}
		if known {
			w.version = max(w.version, had.version)
		}
		if known && had.data.Expression == data.Expression && had.data.ExpressionType == data.ExpressionType {
			w.filter, w.err = had.filter, had.err
		} else {
			w.filter, w.err = filter.Parse(data.ExpressionType, data.Expression)
		}
		wants[data.Topic] = w
	}
	m.wants = wants
	return news
}

// changed lists the members of a group that share its queues. Called under mu.
func (c *clients) changed(group string) changed {
	told := changed{group: group}
	for s, m := range c.consumers[group] {
		if m.model != remoting.Broadcasting {
			told.members = append(told.members, s)
		}
	}
	return told
}

// leave takes a client out of one consumer group, one producer group, or both; empty names mean none.
func (c *clients) leave(s Session, producers, consumers string) []changed {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.sessions[s]
	if cl == nil {
		return nil
	}
	c.dropProducer(cl, producers)
	told := c.dropConsumer(cl, consumers)
	if len(cl.consumes) == 0 && len(cl.produces) == 0 {
		delete(c.sessions, s)
	}
	return told
}

// gone forgets a session.
func (c *clients) gone(s Session) []changed {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.sessions[s]
	if cl == nil {
		return nil
	}
	return c.forget(cl)
}

// forget takes a client out of everything. Called under mu.
func (c *clients) forget(cl *client) []changed {
	delete(c.sessions, cl.sessionOf)
	for group := range cl.produces {
		c.dropProducer(cl, group)
	}
	var told []changed
	for group := range cl.consumes {
		told = append(told, c.dropConsumer(cl, group)...)
	}
	return told
}

func (c *clients) dropProducer(cl *client, group string) {
	delete(cl.produces, group)
	members := c.producers[group]
	delete(members, cl.sessionOf)
	if len(members) == 0 {
		delete(c.producers, group)
	}
}

func (c *clients) dropConsumer(cl *client, group string) []changed {
	members := c.consumers[group]
	m, ok := members[cl.sessionOf]
	if !ok {
		return nil
	}
	delete(cl.consumes, group)
	delete(members, cl.sessionOf)
	if len(members) == 0 {
		delete(c.consumers, group)
		return nil
	}
	if m.model == remoting.Broadcasting {
		return nil
	}
	return []changed{c.changed(group)}
}

// expire forgets clients that were silent for too long and returns the groups that changed by it.
func (c *clients) expire(after time.Duration) []changed {
	c.mu.Lock()
	defer c.mu.Unlock()
	var told []changed
	for s, cl := range c.sessions {
		if c.now().Sub(cl.heard) > after {
			c.log.Warn("a client sent no heartbeat for too long", "client", s.Remote(), "limit", after)
			told = append(told, c.forget(cl)...)
		}
	}
	return told
}

// tell notifies the members of groups that changed.
func tell(told []changed) {
	for _, t := range told {
		for _, s := range t.members {
			s.ConsumersChanged(t.group)
		}
	}
}

// memberIDs lists the client ids of a group's members, sorted and without doubles. If the group has none, and the asking
// client is known by another group, its own id is returned: rocketmq-client-go takes any failure for an empty list and
// lets go of all queues.
func (c *clients) memberIDs(s Session, group string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[string]struct{}{}
	for _, m := range c.consumers[group] {
		seen[m.id] = struct{}{}
	}
	if cl := c.sessions[s]; len(seen) == 0 && cl != nil {
		seen[cl.id] = struct{}{}
	}
	ids := make([]string, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// subscription is what the member that pulls wants of a topic; if the session is no member, what the member does that
// spoke last. version is the one that the client goes by, 0 if it does not say.
//
// Versions are ms in Java and ns in rocketmq-client-go, so they are only held against those of the same member: an older
// one is fine, since a heartbeat may overtake a pull; a newer one means that its heartbeat has not come yet.
func (c *clients) subscription(s Session, group, topic string, version int64) (*filter.Filter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	members := c.consumers[group]
	if len(members) == 0 {
		return nil, refuse(remoting.SubscriptionNotExist, "group %q has no members: no heartbeat has named its subscription yet", group)
	}
	m, ok := members[s]
	if !ok {
		m = latest(members)
	}
	w, ok := m.wants[topic]
	switch {
	case !ok:
		return nil, refuse(remoting.SubscriptionNotExist, "client %q of group %q is not subscribed to topic %q", m.id, group, clip(topic))
	case version > w.version:
		return nil, refuse(remoting.SubscriptionNotLatest, "client %q of group %q goes by version %d of its subscription to %q, "+
			"the latest that a heartbeat brought is %d", m.id, group, version, clip(topic), w.version)
	}
	return w.filter, w.err
}

func latest(members map[Session]*member) *member {
	var last *member
	for _, m := range members {
		if last == nil || m.heard.After(last.heard) {
			last = m
		}
	}
	return last
}

func (c *clients) connection(cl *client) remoting.Connection {
	return remoting.Connection{
		Address: cl.sessionOf.Remote().String(), ClientID: cl.id, Language: cl.language, Version: cl.version,
	}
}

// consumerConnections shows a group's members and the subscriptions of the one that spoke last; false if it has none.
func (c *clients) consumerConnections(group string) (remoting.ConsumerConnection, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	members := c.consumers[group]
	if len(members) == 0 {
		return remoting.ConsumerConnection{}, false
	}
	last := latest(members)
	shown := remoting.ConsumerConnection{
		From: last.from, Type: last.kind, Model: last.model, Subscriptions: map[string]remoting.SubscriptionInfo{},
	}
	for _, m := range members {
		shown.Connections = append(shown.Connections, c.connection(m.client))
	}
	sortConnections(shown.Connections)
	for topic, w := range last.wants {
		shown.Subscriptions[topic] = w.info()
	}
	return shown, true
}

// producerConnections shows a producer group's clients; false if it has none.
func (c *clients) producerConnections(group string) (remoting.ProducerConnection, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var shown remoting.ProducerConnection
	for _, cl := range c.producers[group] {
		shown.Connections = append(shown.Connections, c.connection(cl))
	}
	sortConnections(shown.Connections)
	return shown, len(shown.Connections) > 0
}

func sortConnections(list []remoting.Connection) {
	sort.Slice(list, func(i, j int) bool {
		if list[i].ClientID != list[j].ClientID {
			return list[i].ClientID < list[j].ClientID
		}
		return list[i].Address < list[j].Address
	})
}

// info shows a wish as tools read it, with tags and hashes derived from the expression.
func (w *wish) info() remoting.SubscriptionInfo {
	info := remoting.SubscriptionInfo{
		Topic: w.data.Topic, Expression: w.data.Expression, ExpressionType: w.data.ExpressionType,
		Version: int64(w.data.Version), ClassFilterMode: bool(w.data.ClassFilterMode), Tags: []string{}, Codes: []int32{},
	}
	if info.ExpressionType == "" {
		info.ExpressionType = filter.TypeTag
	}
	if w.filter != nil {
		info.Tags = w.filter.Tags()
		sort.Strings(info.Tags)
		info.Codes = w.filter.Hashes()
	}
	return info
}
