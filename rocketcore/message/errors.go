package message

import "errors"

// Errors of this package, wrapped with what exactly was wrong; compare with errors.Is. The Kafka code that a front answers
// with stands behind each.
var (
	// ErrCorrupt: the bytes are not what the producer wrote: cut short, or the CRC does not match. CORRUPT_MESSAGE, which
	// makes clients send again.
	ErrCorrupt = errors.New("record batch is corrupt")
	// ErrMagic: a message set older than record batch v2. INVALID_RECORD in answers to Produce v3 and later,
	// UNSUPPORTED_FOR_MESSAGE_FORMAT elsewhere.
	ErrMagic = errors.New("record batch is not of format version 2")
	// ErrTooLarge: the batch as it came exceeds MaxBatchBytes. MESSAGE_TOO_LARGE.
	ErrTooLarge = errors.New("record batch is larger than allowed")
	// ErrExpansion: the batch stays within MaxBatchBytes, but what is in it exceeds a limit. MESSAGE_TOO_LARGE.
	ErrExpansion = errors.New("record batch expands beyond the limit")
	// ErrInvalidRecord: the batch came through intact and breaks the format or the rules for producers. INVALID_RECORD.
	ErrInvalidRecord = errors.New("record batch is invalid")
	// ErrCodec: the batch names a compression codec that does not exist. UNSUPPORTED_COMPRESSION_TYPE.
	ErrCodec = errors.New("record batch has an unknown compression codec")
	// ErrTimestamp: a record's time is out of bounds, or a producer set the log-append flag. INVALID_TIMESTAMP.
	ErrTimestamp = errors.New("record timestamp is out of bounds")

	// ErrFacts: facts beside a batch can't be decoded. They are our own bytes, so this is corruption.
	ErrFacts = errors.New("facts beside a batch are corrupt")
	// ErrProperty: a RocketMQ property holds a separator (\x01 or \x02) and could not travel.
	ErrProperty = errors.New("message property holds a separator")
	// ErrBody: a body that its sysFlag calls compressed can't be decompressed, or names no known method.
	ErrBody = errors.New("compressed message body is corrupt")
	// ErrBodyTooLarge: a compressed body expands beyond the limit.
	ErrBodyTooLarge = errors.New("compressed message body expands beyond the limit")
	// ErrBodyCompressed: ToRecord was given a body that is still compressed; call Message.Expand first.
	ErrBodyCompressed = errors.New("message body is still compressed")
)
