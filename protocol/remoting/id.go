package remoting

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// ErrMessageID says that a text is no offset message id.
var ErrMessageID = errors.New("not an offset message id")

// OffsetMessageID is the id by which the server names a stored message: the store host and the physical offset, in upper
// case hexadecimal, 32 digits with IPv4 and 56 with IPv6 (class MessageDecoder). Clients connect to the host in it.
func OffsetMessageID(host netip.AddrPort, position int64) string {
	var buf [28]byte
	b := appendHost(buf[:0], host)
	b = binary.BigEndian.AppendUint64(b, uint64(position))
	return strings.ToUpper(hex.EncodeToString(b))
}

// ParseOffsetMessageID takes an offset message id apart. Either case is accepted.
func ParseOffsetMessageID(id string) (host netip.AddrPort, position int64, err error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 16 && len(b) != 28 {
		return netip.AddrPort{}, 0, fmt.Errorf("%w: %q", ErrMessageID, clip(id))
	}
	addr, _ := netip.AddrFromSlice(b[:len(b)-12])
	port := binary.BigEndian.Uint32(b[len(b)-12:])
	if port > 65535 {
		return netip.AddrPort{}, 0, fmt.Errorf("%w: %q has port %d", ErrMessageID, id, port)
	}
	position = int64(binary.BigEndian.Uint64(b[len(b)-8:]))
	return netip.AddrPortFrom(addr, uint16(port)), position, nil
}

// UniqueIDs makes client ids of messages (property UNIQ_KEY) for messages that came without one, in the layout of class
// MessageClientIDSetter: IP, process id, an int32 that tells instances apart, ms since the month began, a counter.
type UniqueIDs struct {
	prefix  string
	now     func() time.Time
	counter atomic.Uint32
}

// NewUniqueIDs returns a source of ids. Sources in one process need different instance numbers.
func NewUniqueIDs(ip netip.Addr, pid int, instance uint32, now func() time.Time) *UniqueIDs {
	if ip = ip.Unmap(); !ip.IsValid() {
		ip = netip.IPv4Unspecified()
	}
	b := binary.BigEndian.AppendUint16(ip.WithZone("").AsSlice(), uint16(pid))
	b = binary.BigEndian.AppendUint32(b, instance)
	return &UniqueIDs{prefix: strings.ToUpper(hex.EncodeToString(b)), now: now}
}

// Next returns an id that this source has not returned in this month. It is safe for concurrent use.
func (u *UniqueIDs) Next() string {
	count := u.counter.Add(1)
	now := u.now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	tail := binary.BigEndian.AppendUint32(nil, uint32(now.Sub(month).Milliseconds()))
	tail = binary.BigEndian.AppendUint16(tail, uint16(count))
	return u.prefix + strings.ToUpper(hex.EncodeToString(tail))
}
