package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

var httpMethods = [][]byte{
	[]byte("GET "), []byte("POST"), []byte("PUT "), []byte("HEAD"), []byte("DELE"), []byte("OPTI"), []byte("PATC"),
	[]byte("CONN"), []byte("TRAC"), []byte("PRI "),
}

// Sniff guesses from the first bytes of a connection what its client speaks. It needs four bytes for HTTP and TLS, and
// twelve to tell Kafka from RocketMQ. sure is false where the bytes leave it open.
func Sniff(first []byte) (looks Protocol, sure bool) {
	if len(first) < lengthBytes {
		return "", false
	}
	for _, method := range httpMethods {
		if bytes.HasPrefix(first, method) {
			return HTTP, true
		}
	}
	if first[0] == 0x16 && first[1] == 0x03 { // TLS record: handshake, version 3.x
		return TLS, true
	}
	if len(first) < 12 {
		return "", false
	}
	frame := binary.BigEndian.Uint32(first)
	switch {
	case looksLikeRemoting(first, frame):
		return RocketMQ, true
	case looksLikeKafka(first, frame):
		return Kafka, true
	}
	return "", false
}

// looksLikeRemoting: total length, then one byte of header encoding and three of header length, then a JSON object or a
// binary header (RemotingCommand.decode in RocketMQ).
func looksLikeRemoting(first []byte, frame uint32) bool {
	header := binary.BigEndian.Uint32(first[4:]) & 0xffffff
	if header < 18 || frame < 4 || header > frame-4 {
		return false
	}
	switch first[4] {
	case 0:
		return first[8] == '{' && (first[9] == '"' || first[9] == ' ' || first[9] == '\n')
	case 1:
		return first[10] < 16 // code int16, then the language byte
	}
	return false
}

// looksLikeKafka: length, api key, api version. Kafka has fewer than a hundred keys and no version above 20.
func looksLikeKafka(first []byte, frame uint32) bool {
	key, version := binary.BigEndian.Uint16(first[4:]), binary.BigEndian.Uint16(first[6:])
	return frame >= 8 && frame < 1<<30 && key < 100 && version <= 20
}

// strangerSentence is the sentence of the error catalogue: what came, where it came, where to go.
func (o Options) strangerSentence(looks Protocol) string {
	sentence := fmt.Sprintf("these bytes look like %s on a %s listener (%s)", looks, o.Speaks, o.Name)
	if port, ok := o.Ports[looks]; ok {
		sentence += fmt.Sprintf("; try port %d", port)
	}
	return sentence
}

// sayInHTTP tells a browser or curl in its own tongue where it has landed.
func (c *Conn) sayInHTTP(sentence string) {
	text := sentence + "\n"
	answer := fmt.Sprintf("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n\r\n%s", len(text), text)
	// The client may be gone; nothing hangs on this answer.
	if c.socket.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = c.socket.Write([]byte(answer))
	}
}
