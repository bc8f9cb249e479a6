package kafka

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/duolog/duolog/protocol/wire"
)

// Conn is what is known of the client at the other end of a connection.
type Conn struct {
	wire *wire.Conn

	mu       sync.Mutex // guards what follows
	clientID string     // of the latest request that named one
	software string
	version  string
}

// Listener is the name of the listener by which the client came in: answers name addresses of that listener.
func (c *Conn) Listener() string { return c.wire.Listener().Name() }

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.wire.RemoteAddr() }

// LocalAddr is the address on which the client reached this node.
func (c *Conn) LocalAddr() netip.AddrPort { return c.wire.LocalAddr() }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.wire.Context() }

// Draining closes when the listener wants to close; long polls then answer with what they have.
func (c *Conn) Draining() <-chan struct{} { return c.wire.Draining() }

// SetSoftware records what the client called itself in ApiVersions (KIP-511).
func (c *Conn) SetSoftware(name, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.software, c.version = name, version
}

// Software is what the client called itself, empty if it did not.
func (c *Conn) Software() (name, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.software, c.version
}

// String names the client for a log line: its id and its software, as far as it told them. The address is the log line's own.
func (c *Conn) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	software := "unknown software"
	if c.software != "" {
		software = fmt.Sprintf("%.64q %.64q", c.software, c.version)
	}
	return fmt.Sprintf("client id %.64q, %s", c.clientID, software)
}

func (c *Conn) setClientID(id *string) {
	if id == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clientID != *id {
		c.clientID = *id
	}
}
