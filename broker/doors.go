package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/protocol/wire"
)

// A door is a listener that is bound.
type door struct {
	Listener
	socket net.Listener
	wire   *wire.Listener // nil for HTTP
}

// Address is a listener as it came out: what was bound, and what clients are told.
type Address struct {
	Name              string
	Protocol          Protocol
	Bound, Advertised string // host:port
}

// bindDoors takes every address, so that one that is taken already is known before anything is written. Connections wait
// in the kernel until openDoors.
func (b *Broker) bindDoors() error {
	for _, l := range b.opts.Listeners {
		address := net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
		socket, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("listener %s: %s is in use by another program", l.Name, address)
		}
		if err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		b.doors = append(b.doors, &door{Listener: l, socket: socket})
	}
	ports := b.ports()
	for _, d := range b.doors {
		if d.Protocol == HTTP {
			continue
		}
		var err error
		if d.wire, err = wire.NewListener(d.socket, b.wireOptions(d, ports)); err != nil {
			return err
		}
	}
	return nil
}

// ports tells where each protocol lives, for the sentence to clients that knock at the wrong door.
func (b *Broker) ports() map[wire.Protocol]int {
	ports := map[wire.Protocol]int{}
	for _, d := range b.doors {
		speaks := map[Protocol]wire.Protocol{Kafka: wire.Kafka, RocketMQ: wire.RocketMQ, NameServer: wire.RocketMQ, HTTP: wire.HTTP}[d.Protocol]
		if _, known := ports[speaks]; !known {
			ports[speaks] = d.port()
		}
	}
	return ports
}

func (b *Broker) wireOptions(d *door, ports map[wire.Protocol]int) wire.Options {
	o := wire.Options{
		Name: d.Name, Ports: ports, Logger: b.log, Metrics: b.metrics,
		MaxConnections: b.opts.MaxConnections, MaxConnectionsPerIP: b.opts.MaxConnections,
	}
	if d.Protocol == Kafka {
		o.Speaks = wire.Kafka
	} else {
		o = remoting.ListenerOptions(o)
	}
	memory(b.opts.MemoryBytes).wire(&o, b.opts.MaxMessageBytes)
	return o
}

// port is the bound port.
func (d *door) port() int {
	if tcp, ok := d.socket.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// told is the host and the port that clients are given.
func (d *door) told() (host string, port int) {
	host, port = d.AdvertisedHost, d.AdvertisedPort
	if host == "" {
		host = d.Host
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = ownAddress()
	}
	if port == 0 {
		port = d.port()
	}
	return host, port
}

// ownAddress is this machine's first address that others might reach, for listeners that are bound to all of them and
// say nothing else (advertised.listeners).
func ownAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
				return ip.IP.String()
			}
		}
	}
	return "127.0.0.1"
}

// advertised are the addresses that the node is registered with.
func (b *Broker) advertised() []image.Listener {
	var all []image.Listener
	for _, d := range b.doors {
		host, port := d.told()
		all = append(all, image.Listener{Name: d.Name, Protocol: string(d.Protocol), Host: host, Port: port})
	}
	return all
}

// Addresses are the listeners in the order of the options.
func (b *Broker) Addresses() []Address {
	var all []Address
	for _, d := range b.doors {
		host, port := d.told()
		all = append(all, Address{
			Name: d.Name, Protocol: d.Protocol, Bound: d.socket.Addr().String(), Advertised: net.JoinHostPort(host, strconv.Itoa(port)),
		})
	}
	return all
}

// openDoors lets the listeners accept.
func (b *Broker) openDoors() {
	for _, d := range b.doors {
		if d.wire == nil {
			continue
		}
		handle := b.fronts.kafka
		if d.Protocol != Kafka {
			handle = b.fronts.remoting
		}
		b.running.Go(func() {
			if err := d.wire.Serve(handle); err != nil {
				b.fail(fmt.Errorf("listener %s has stopped: %w", d.Name, err))
			}
		})
	}
}

// closeDoors lets what was asked be answered until ctx ends, then cuts.
func (b *Broker) closeDoors(ctx context.Context) {
	var closing sync.WaitGroup
	for _, d := range b.doors {
		switch {
		case d.wire != nil:
			closing.Go(func() {
				if err := d.wire.Close(ctx); err != nil {
					b.log.Warn("connections were cut, because they did not finish in time", "listener", d.Name, "err", err)
				}
			})
		case b.http == nil || d.Protocol != HTTP:
			_ = d.socket.Close() // bound, and never used
		}
	}
	closing.Wait()
}
