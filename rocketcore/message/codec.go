package message

import "strconv"

// Codec is the compression of a batch's records, by Kafka's numbers.
type Codec uint8

// The five codecs of record batch v2; 5 to 7 do not exist.
const (
	CodecNone Codec = iota
	CodecGzip
	CodecSnappy
	CodecLZ4
	CodecZstd
)

// Known says whether the codec exists.
func (c Codec) Known() bool { return c <= CodecZstd }

// String is the name that Kafka's compression.type uses.
func (c Codec) String() string {
	switch c {
	case CodecNone:
		return "none"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return "codec " + strconv.Itoa(int(c))
}
