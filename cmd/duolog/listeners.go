package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/duolog/duolog/broker"
)

// protocolNames are the names that need no entry in listener.security.protocol.map, because they say it themselves.
var protocolNames = []broker.Protocol{broker.Kafka, broker.RocketMQ, broker.NameServer, broker.HTTP}

// endpoint is one NAME://host:port.
type endpoint struct {
	name, host string
	port       int
}

// parseListeners puts the three settings about listeners together.
func parseListeners(listeners, advertised, protocolMap string) ([]broker.Listener, error) {
	protocols, err := parseProtocolMap(protocolMap)
	if err != nil {
		return nil, fmt.Errorf("listener.security.protocol.map: %w", err)
	}
	bound, err := parseEndpoints(listeners)
	if err != nil {
		return nil, fmt.Errorf("listeners: %w", err)
	}
	if len(bound) == 0 {
		return nil, fmt.Errorf("listeners: the list is empty")
	}
	told, err := parseEndpoints(advertised)
	if err != nil {
		return nil, fmt.Errorf("advertised.listeners: %w", err)
	}
	var all []broker.Listener
	for _, e := range bound {
		protocol, ok := protocols[e.name]
		if !ok {
			return nil, fmt.Errorf("listeners: %s is no protocol and has no entry in listener.security.protocol.map%s",
				e.name, didYouMean(e.name, protocolNames))
		}
		l := broker.Listener{Name: e.name, Protocol: protocol, Host: e.host, Port: e.port}
		if i := slices.IndexFunc(told, func(a endpoint) bool { return a.name == e.name }); i >= 0 {
			if isWildcard(told[i].host) {
				return nil, fmt.Errorf("advertised.listeners: %s has no host that a client could connect to", e.name)
			}
			l.AdvertisedHost, l.AdvertisedPort = told[i].host, told[i].port
			told = slices.Delete(told, i, i+1)
		}
		all = append(all, l)
	}
	if len(told) > 0 {
		return nil, fmt.Errorf("advertised.listeners: there is no listener %s", told[0].name)
	}
	return all, nil
}

// parseEndpoints reads a comma-separated list of NAME://host:port.
func parseEndpoints(list string) ([]endpoint, error) {
	var all []endpoint
	for _, item := range split(list) {
		name, address, ok := strings.Cut(item, "://")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form NAME://host:port", item)
		}
		host, portText, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("%q is not of the form NAME://host:port", item)
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%q has a port that is not a number from 0 to 65535", item)
		}
		if strings.ContainsAny(host, " \t#/") {
			return nil, fmt.Errorf("%q has a host that no name or address may be", item)
		}
		name = strings.ToUpper(name)
		if slices.ContainsFunc(all, func(e endpoint) bool { return e.name == name }) {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		all = append(all, endpoint{name, host, int(port)})
	}
	return all, nil
}

// parseProtocolMap reads NAME:PROTOCOL pairs over the names that are protocols themselves.
func parseProtocolMap(list string) (map[string]broker.Protocol, error) {
	protocols := map[string]broker.Protocol{}
	for _, p := range protocolNames {
		protocols[string(p)] = p
	}
	for _, item := range split(list) {
		name, text, ok := strings.Cut(item, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form NAME:PROTOCOL", item)
		}
		protocol := broker.Protocol(strings.ToUpper(text))
		if !slices.Contains(protocolNames, protocol) {
			return nil, fmt.Errorf("%q: protocol %s is not served%s", item, protocol, didYouMean(string(protocol), protocolNames))
		}
		protocols[strings.ToUpper(name)] = protocol
	}
	return protocols, nil
}

func didYouMean[T ~string](name string, candidates []T) string {
	var names []string
	for _, c := range candidates {
		names = append(names, string(c))
	}
	if n := nearest(name, names); n != "" {
		return "; nearest " + n
	}
	return "; known are " + strings.Join(names, ", ")
}

// split cuts a comma-separated list and drops what is empty.
func split(list string) []string {
	var items []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
