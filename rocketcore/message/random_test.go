package message

import (
	"math/rand/v2"
	"net/netip"
	"strings"
)

// trickyNames are drawn often, so that names that mean something meet each other.
var trickyNames = []string{
	"TAGS", "TAGS", "KEYS", "KEYS", "DELAY", "UNIQ_KEY", "REAL_TOPIC", "TRAN_MSG", "POP_CK", "__RMQ.TRANSIENT.x",
	"__kafka.key", "__kafka.null", "__kafka.", "__kafka.x", "__kafka.h.0.t.a", "__kafka.h.0.b.REAL_TOPIC", "__kafka.h.1.n.a",
	"__kafka.h.0.ex.", "__kafka.h.00.t.a", "__kafka.h.0.tx.YQ", "__kafka.h.0.b.a", "a", "a", "b", "größe", "", " ", "\x00",
}

var trickyValues = []string{"", "-", ":", "1", "YQ", ":YQ", ":YQ==", "a b", " ", "a", "größe", "\x00", "\xff", "true", "ÿ￿"}

// randomRecords makes records with nulls, repeated and odd names, and any bytes.
func randomRecords(rng *rand.Rand, n int) []Record {
	records := make([]Record, n)
	for i := range records {
		r := &records[i]
		r.OffsetDelta = int32(i)
		r.Timestamp = goldenTime + rng.Int64N(1e6) - 5e5
		r.Key, r.Value = randomBytes(rng), randomBytes(rng)
		count := rng.IntN(6)
		if rng.IntN(20) == 0 {
			count = rng.IntN(60)
		}
		for range count {
			r.Headers = append(r.Headers, Header{randomName(rng), randomBytes(rng)})
		}
	}
	return records
}

func randomName(rng *rand.Rand) string {
	if rng.IntN(4) > 0 {
		return trickyNames[rng.IntN(len(trickyNames))]
	}
	return string(randomBytes(rng))
}

// randomBytes is null, empty, a tricky text, or any bytes.
func randomBytes(rng *rand.Rand) []byte {
	switch rng.IntN(6) {
	case 0:
		return nil
	case 1, 2:
		return []byte(trickyValues[rng.IntN(len(trickyValues))])
	}
	b := make([]byte, rng.IntN(40))
	for i := range b {
		b[i] = byte(rng.Uint32())
		if rng.IntN(3) == 0 {
			b[i] = byte(rng.IntN(4)) // separators, and what is near them
		}
	}
	return b
}

// randomMessage makes a message with any bytes that RocketMQ's wire allows.
func randomMessage(rng *rand.Rand) Message {
	m := Message{Facts: randomFacts(rng), Body: append([]byte{}, randomBytes(rng)...)}
	m.Form = FormKafka
	m.SysFlag &^= sysFlagCompression
	clean := strings.NewReplacer("\x01", "", "\x02", "")
	for range rng.IntN(8) {
		m.Properties = append(m.Properties, Property{clean.Replace(randomName(rng)), clean.Replace(string(randomBytes(rng)))})
	}
	return m
}

func randomFacts(rng *rand.Rand) Facts {
	return Facts{
		Flag:             int32(rng.Uint32()),
		SysFlag:          int32(rng.IntN(0x800)),
		SentCompression:  int32(rng.IntN(2)) * 0x301,
		BornTime:         goldenTime + rng.Int64N(1000),
		BornHost:         randomHost(rng),
		StoreHost:        randomHost(rng),
		ReconsumeTimes:   int32(rng.IntN(3)),
		PreparedPosition: Position(rng.Int64() >> rng.IntN(64)),
		Form:             Form(rng.IntN(int(formsKnown))),
	}
}

func randomHost(rng *rand.Rand) netip.AddrPort {
	switch rng.IntN(3) {
	case 0:
		return netip.AddrPort{}
	case 1:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(3))}), uint16(rng.Uint32()))
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(rng.IntN(3))}), 10911)
}
