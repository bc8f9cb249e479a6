package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
)

func sampleFacts() []Facts {
	first := Facts{
		Flag: 7, SysFlag: 0x8, SentCompression: 0x301, BornTime: goldenTime,
		BornHost:       netip.MustParseAddrPort("10.1.2.3:4444"),
		StoreHost:      netip.MustParseAddrPort("[fd00::1]:10911"),
		ReconsumeTimes: 2, PreparedPosition: NewPosition(4711, 3), Form: FormPlain,
	}
	second := first
	second.BornTime++
	second.ReconsumeTimes = 0
	return []Facts{first, second, second}
}

func TestFactsBytes(t *testing.T) {
	// The bytes are stored data: a change here needs a new version. docs/format/batch.md explains them.
	want := []byte{
		1, 3, // version, records
		0xff, 0x03, 14, 16, 0x82, 0x0c, // mask, flag, sysFlag, sent compression
		0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62, // born time
		4, 10, 1, 2, 3, 0x11, 0x5c, // born host
		16, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x2a, 0x9f, // store host
		4, 0x86, 0x80, 0x80, 0xe7, 0x24, 1, // reconsume times, prepared position, form
		0x48, 2, 0, // mask, born time, reconsume times
		0, // the same once more
	}
	want = binary.LittleEndian.AppendUint32(want, crc32.Checksum(want, crc32.MakeTable(crc32.Castagnoli)))
	got := EncodeFacts(sampleFacts())
	if !bytes.Equal(got, want) {
		t.Errorf("got  % x\nwant % x", got, want)
	}
}

func TestFactsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for round := range 500 {
		facts := make([]Facts, rng.IntN(20))
		for i := range facts {
			facts[i] = randomFacts(rng)
			if i > 0 && rng.IntN(2) == 0 {
				facts[i] = facts[i-1]
			}
		}
		got, err := DecodeFacts(EncodeFacts(facts))
		if err != nil || !reflect.DeepEqual(got, facts) {
			t.Fatalf("round %d: %v\n got %+v\nwant %+v", round, err, got, facts)
		}
	}
}

// Every flipped bit and every cut is found.
func TestFactsRot(t *testing.T) {
	whole := EncodeFacts(sampleFacts())
	for n := range whole {
		if _, err := DecodeFacts(whole[:n]); !errors.Is(err, ErrFacts) {
			t.Errorf("cut at %d: %v", n, err)
		}
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[n] ^= 1 << bit
			if _, err := DecodeFacts(flipped); !errors.Is(err, ErrFacts) {
				t.Errorf("byte %d, bit %d: %v", n, bit, err)
			}
		}
	}
}

func TestFactsMalformed(t *testing.T) {
	for name, body := range map[string][]byte{
		"version 2":              {2, 1, 0},
		"no count":               {1, 0x80},
		"more than the bytes":    {1, 2, 0},
		"many more":              {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"unknown mask":           {1, 1, 0x80, 0x04},
		"flag missing":           {1, 1, 1},
		"flag beyond 32 bits":    {1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"host of 5 bytes":        {1, 1, 16, 5, 1, 2, 3, 4, 5, 0, 0},
		"host cut":               {1, 1, 16, 4, 1, 2, 3},
		"host without port":      {1, 1, 16, 4, 1, 2, 3, 4, 0},
		"form 3":                 {1, 1, 0x80, 0x02, 3},
		"bytes behind":           {1, 1, 0, 0},
		"one byte for two":       {1, 2, 0x80, 0x02},
		"born time of ten bytes": {1, 1, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		sealed := binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
		if _, err := DecodeFacts(sealed); !errors.Is(err, ErrFacts) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFactsAreCompact(t *testing.T) {
	one := sampleFacts()[:1]
	if n := len(EncodeFacts(one)); n > 60 {
		t.Errorf("one record takes %d bytes", n)
	}
	many := make([]Facts, 1000)
	for i := range many {
		many[i] = one[0]
		many[i].BornTime += int64(i / 10)
	}
	if n := len(EncodeFacts(many)); n > 60+2*len(many) {
		t.Errorf("1000 records of one client take %d bytes", n)
	}
}
