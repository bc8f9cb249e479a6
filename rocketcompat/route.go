package rocketcompat

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
)

// Protocols of listeners, as nodes register them.
const (
	protocolRemoting   = "ROCKETMQ"
	protocolNameServer = "NAMESRV"
)

// Route says where a topic's queues are (code 105), with the addresses of the listener by which the client came in. A
// broker whose leader has no address there is left out.
func (f *Front) Route(via Via, name string) (remoting.TopicRoute, error) {
	img := f.cluster.Image()
	if name == TemplateTopic {
		return f.templateRoute(img, via)
	}
	t, err := f.topic(img, name)
	if err != nil {
		return remoting.TopicRoute{}, err
	}
	var route remoting.TopicRoute
	for s := range img.Shards() {
		queues := len(t.OnShard(s.ID))
		if queues == 0 {
			continue
		}
		if broker, ok := f.brokerData(img, via, s); ok {
			route.Brokers = append(route.Brokers, broker)
			route.Queues = append(route.Queues, remoting.QueueData{
				Broker: s.Name, ReadQueues: queues, WriteQueues: queues, Perm: remoting.PermRead | remoting.PermWrite,
			})
		}
	}
	if len(route.Brokers) == 0 {
		return route, refuse(remoting.TopicNotExist, "topic %q: none of its brokers is reachable at the moment", name)
	}
	return route, nil
}

// templateRoute shows every broker as a place for new topics. Without automatic creation there is no such route, and the
// sentence says which switch that is.
func (f *Front) templateRoute(img *image.Image, via Via) (remoting.TopicRoute, error) {
	if !f.opts.AutoCreate {
		return remoting.TopicRoute{}, refuse(remoting.TopicNotExist,
			"topic %q has no route: topics are not created automatically (auto.create.topics.enable)", TemplateTopic)
	}
	var route remoting.TopicRoute
	for s := range img.Shards() {
		if broker, ok := f.brokerData(img, via, s); ok {
			route.Brokers = append(route.Brokers, broker)
			route.Queues = append(route.Queues, remoting.QueueData{
				Broker: s.Name, ReadQueues: int(f.opts.DefaultQueues), WriteQueues: int(f.opts.DefaultQueues),
				Perm: remoting.PermRead | remoting.PermWrite | remoting.PermInherit,
			})
		}
	}
	if len(route.Brokers) == 0 {
		return route, refuse(remoting.TopicNotExist, "no broker is reachable at the moment")
	}
	return route, nil
}

// Brokers lists every broker that is reachable (code 106).
func (f *Front) Brokers(via Via) remoting.ClusterInfo {
	img := f.cluster.Image()
	var info remoting.ClusterInfo
	for s := range img.Shards() {
		if broker, ok := f.brokerData(img, via, s); ok {
			info.Brokers = append(info.Brokers, broker)
		}
	}
	return info
}

// brokerData shows a shard as a broker: id 0 is its leader, and there are no others, since followers serve no clients.
func (f *Front) brokerData(img *image.Image, via Via, s *image.Shard) (remoting.BrokerData, bool) {
	address, ok := f.address(img, via, leaderOf(s))
	if !ok {
		return remoting.BrokerData{}, false
	}
	return remoting.BrokerData{
		Cluster: f.opts.ClusterName, Name: s.Name, Addresses: map[int64]string{0: address},
	}, true
}

// address is where a client that came in by via reaches a node's remoting listener.
func (f *Front) address(img *image.Image, via Via, id image.NodeID) (string, bool) {
	node, ok := img.Node(id)
	if !ok || node.Fenced && id != f.cluster.NodeID() {
		return "", false
	}
	l, ok := matchListener(node, via.Listener)
	if !ok {
		return "", false
	}
	host := l.Host
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		if id != f.cluster.NodeID() || !via.Local.IsValid() {
			return "", false
		}
		host = via.Local.Addr().WithZone("").String() // what the client reached us by is what it can reach
	}
	return net.JoinHostPort(host, strconv.Itoa(l.Port)), true
}

// matchListener finds the remoting listener of a node that belongs to the one by which a client came in: the same one;
// the one whose name differs only in saying ROCKETMQ for NAMESRV; one with the same advertised host; any.
func matchListener(node *image.Node, name string) (image.Listener, bool) {
	came, _ := node.Listener(name)
	if came.Protocol == protocolRemoting {
		return came, true
	}
	if l, ok := node.Listener(strings.Replace(name, protocolNameServer, protocolRemoting, 1)); ok && l.Protocol == protocolRemoting {
		return l, true
	}
	var found image.Listener
	for _, l := range node.Listeners {
		if l.Protocol != protocolRemoting {
			continue
		}
		if l.Host == came.Host {
			return l, true
		}
		if found.Name == "" {
			found = l
		}
	}
	return found, found.Name != ""
}

// StoreHost is the address that delivered messages carry as their store host; see storeHost.
func (f *Front) StoreHost(via Via) netip.AddrPort { return f.storeHost(f.cluster.Image(), via) }

// storeHost is the address that messages carry as their store host: clients connect to it to send messages back, so it
// is the one at which this client reaches this node.
func (f *Front) storeHost(img *image.Image, via Via) netip.AddrPort {
	address, ok := f.address(img, via, f.cluster.NodeID())
	if ok {
		if host, err := netip.ParseAddrPort(address); err == nil {
			return host
		}
	}
	_, portText, _ := net.SplitHostPort(address)
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return via.Local
	}
	return netip.AddrPortFrom(via.Local.Addr(), uint16(port)) // the host is a name: its address is the one that was reached
}
