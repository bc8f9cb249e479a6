package kafkacompat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore/message"
)

var testTime = time.UnixMilli(1_700_000_000_000)

func aBatch(o message.BuildOptions, values ...string) message.Batch {
	records := make([]message.Record, len(values))
	for i, v := range values {
		records[i] = message.Record{Timestamp: testTime.UnixMilli(), Value: []byte(v)}
	}
	return message.Build(records, o)
}

// at gives every record of a batch this time.
func at(ms int64, values ...string) message.Batch {
	records := make([]message.Record, len(values))
	for i, v := range values {
		records[i] = message.Record{Timestamp: ms, Value: []byte(v)}
	}
	return message.Build(records, message.BuildOptions{})
}

// TestCheckBatch holds the order of the checks and the codes (kafka.md 3.3).
func TestCheckBatch(t *testing.T) {
	f := &Front{opts: Options{Now: func() time.Time { return testTime }}.withDefaults()}
	change := func(b message.Batch, at int, v byte) message.Batch {
		b = append(message.Batch(nil), b...)
		b[at] = v
		return b
	}
	defaults := image.DefaultSettings()
	small := defaults
	small.MaxMessageBytes = 100
	strict := defaults
	strict.TimestampBeforeMaxMs = 1000
	logTime := defaults
	logTime.LogAppendTime = true
	good := aBatch(message.BuildOptions{}, "a", "b")
	big := aBatch(message.BuildOptions{}, strings.Repeat("x", 200))
	hour := time.Hour.Milliseconds()
	now := testTime.UnixMilli()
	for name, tc := range map[string]struct {
		records  message.Batch
		settings image.Settings
		version  int16
		code     Code
		says     string
	}{
		"good":                  {good, defaults, 3, 0, ""},
		"empty":                 {nil, defaults, 3, invalidRecord, "no record batch"},
		"too large":             {big, small, 9, messageTooLarge, `message is 270 bytes, limit for "orders" is 100 (max.message.bytes)`},
		"too large and corrupt": {change(big, 40, 99), small, 9, messageTooLarge, ""},
		"corrupt":               {change(good, len(good)-1, 99), defaults, 9, corruptMessage, "CRC"},
		"cut short":             {good[:len(good)-1], defaults, 9, corruptMessage, ""},
		"a few bytes":           {good[:5], defaults, 9, corruptMessage, ""},
		"old format":            {change(good, 16, 1), defaults, 9, invalidRecord, ""},
		"two batches":           {append(append(message.Batch(nil), good...), good...), defaults, 9, invalidRecord, "exactly one batch"},
		"control":               {aBatch(message.BuildOptions{Control: true}, "x"), defaults, 9, invalidRecord, ""},
		"transactional": {aBatch(message.BuildOptions{Transactional: true, Producer: &message.Producer{ID: 1}}, "x"), defaults, 9,
			invalidTxnState, "transactions are not served"},
		"zstd":                     {aBatch(message.BuildOptions{Codec: message.CodecZstd}, "x"), defaults, 7, 0, ""},
		"zstd too soon":            {aBatch(message.BuildOptions{Codec: message.CodecZstd}, "x"), defaults, 6, unsupportedCompression, "version 7"},
		"log-append flag":          {good.WithLogAppendTime(now), defaults, 9, invalidTimestamp, ""},
		"far ahead":                {at(now+hour+1, "x"), defaults, 9, invalidTimestamp, ""},
		"ahead":                    {at(now+hour, "x"), defaults, 9, 0, ""},
		"long ago":                 {at(now-1_000_000, "x"), defaults, 9, 0, ""},
		"too long ago":             {at(now-1001, "x"), strict, 9, invalidTimestamp, ""},
		"no time":                  {at(-1, "x"), defaults, 9, 0, ""},
		"far ahead, broker's time": {at(now+2*hour, "x"), logTime, 9, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.checkBatch("orders", tc.records, tc.settings, tc.version)
			if codeOf(err) != tc.code || !strings.Contains(fmt.Sprint(err), tc.says) {
				t.Errorf("error %d %v, want %d %q", codeOf(err), err, tc.code, tc.says)
			}
		})
	}
}

// A time out of bounds is reported with the records that have it (KIP-467).
func TestCheckBatchNamesRecords(t *testing.T) {
	f := &Front{opts: Options{Now: func() time.Time { return testTime }}.withDefaults()}
	records := make([]message.Record, 4)
	for i := range records {
		records[i] = message.Record{Timestamp: testTime.UnixMilli() + int64(i/2)*2*time.Hour.Milliseconds(), Value: []byte("v")}
	}
	_, err := f.checkBatch("orders", message.Build(records, message.BuildOptions{Codec: message.CodecLZ4}), image.DefaultSettings(), 9)
	var bad *message.RecordsError
	if !errors.As(err, &bad) || len(bad.Records) != 2 || bad.Records[0].Index != 2 {
		t.Fatalf("got %v", err)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 5_120_233: "5,120,233", 104857600: "104,857,600"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}

// Records that are not what the header says are found by those who look into them.
func TestVerifyRecords(t *testing.T) {
	lie := aBatch(message.BuildOptions{}, "a", "b", "c")
	lie[len(lie)-1] ^= 0x7f // the last record's count of headers
	crc := crc32.Checksum(lie[21:], crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(lie[17:], crc)
	for verify, want := range map[bool]Code{false: none, true: invalidRecord} {
		f := &Front{opts: Options{Now: func() time.Time { return testTime }, VerifyRecords: verify}.withDefaults()}
		if _, err := f.checkBatch("orders", lie, image.DefaultSettings(), 9); codeOf(err) != want {
			t.Errorf("verify %v: error %d %v", verify, codeOf(err), err)
		}
	}
}
