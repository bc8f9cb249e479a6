package image

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// UUID is a 16-byte id: of a topic, a shard, a directory, an incarnation.
type UUID = [16]byte

// ErrBadUUID says that a text is no id in Kafka's spelling.
var ErrBadUUID = errors.New("not an id: 22 characters of unpadded URL-safe base64 are wanted")

// FormatUUID writes an id as Kafka does: 22 characters of URL-safe base64 without padding
// (org.apache.kafka.common.Uuid).
func FormatUUID(id UUID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseUUID reads what FormatUUID wrote.
func ParseUUID(text string) (id UUID, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%q: %w", text, ErrBadUUID)
	}
	return UUID(raw), nil
}
