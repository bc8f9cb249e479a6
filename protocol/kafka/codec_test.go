package kafka

import (
	"encoding/binary"
	"reflect"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// everyRequest calls f for each key and version that the codec knows.
func everyRequest(f func(request kmsg.Request, version int16)) {
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		request := kmsg.RequestForKey(key)
		if request == nil {
			continue
		}
		for v := int16(0); v <= request.MaxVersion(); v++ {
			fresh := kmsg.RequestForKey(key)
			fresh.SetVersion(v)
			f(fresh, v)
		}
	}
}

// grow gives every list of the request elements: outer at the top, inner in each element below, and one in each below those.
func grow(v reflect.Value, outer, inner int) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() && v.Type().Elem().Kind() == reflect.Struct {
			return
		}
		if !v.IsNil() {
			grow(v.Elem(), outer, inner)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				grow(v.Field(i), outer, inner)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), outer, outer))
		for i := range outer {
			element := v.Index(i)
			if d, ok := element.Addr().Interface().(interface{ Default() }); ok {
				d.Default()
			}
			grow(element, inner, 1)
		}
	}
}

// TestDecodeFactor measures what decodeFactor promises: the lists that cost most per byte are those of empty elements.
func TestDecodeFactor(t *testing.T) {
	worst, where := 0.0, ""
	everyRequest(func(request kmsg.Request, version int16) {
		if request.Key() == keyProduce || version != 0 && version != request.MaxVersion() {
			return
		}
		for _, shape := range [][2]int{{300, 0}, {300, 1}, {1, 300}} {
			grow(reflect.ValueOf(request), shape[0], shape[1])
			body := request.AppendTo(nil)
			if len(body) < 300 {
				continue
			}
			h := Header{Key: request.Key(), Version: version}
			if factor := decodeCost(t, h, body); factor > worst {
				worst, where = factor, kmsg.NameForKey(h.Key)
			}
		}
	})
	heartbeat := kmsg.NewPtrHeartbeatRequest()
	heartbeat.SetVersion(4)
	body := heartbeat.AppendTo(nil)
	if factor := decodeCost(t, Header{Key: int16(kmsg.Heartbeat), Version: 4}, manyTags(body, 50_000)); factor > worst {
		worst, where = factor, "unknown tags"
	}
	t.Logf("worst: %.0f bytes per byte, %s", worst, where)
	if worst > decodeFactor {
		t.Errorf("decoding %s takes %.0f bytes per byte, decodeFactor is %d", where, worst, decodeFactor)
	}
}

// decodeCost is what decoding allocates, in bytes per byte.
func decodeCost(t *testing.T, h Header, body []byte) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeBody(h, body)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatalf("%s v%d: %v", kmsg.NameForKey(h.Key), h.Version, err)
	}
	return float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body))
}

// manyTags gives a flexible body that ends without tags n empty ones.
func manyTags(body []byte, n int) []byte {
	body = binary.AppendUvarint(body[:len(body)-1], uint64(n))
	for tag := range n {
		body = append(binary.AppendUvarint(body, uint64(tag)), 0)
	}
	return body
}

func TestProduceGuard(t *testing.T) {
	for _, version := range []int16{3, 8, 9, 12, 13} {
		honest := kmsg.NewPtrProduceRequest()
		honest.SetVersion(version)
		hostile := kmsg.NewPtrProduceRequest()
		hostile.SetVersion(version)
		hostileTopics := kmsg.NewPtrProduceRequest()
		hostileTopics.SetVersion(version)
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "orders"
		empty := topic
		for i := range 20_000 {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = int32(i), []byte{}
			empty.Partitions = append(empty.Partitions, p)
			p.Records = make([]byte, 61)
			topic.Partitions = append(topic.Partitions, p)
			hostileTopics.Topics = append(hostileTopics.Topics, kmsg.NewProduceRequestTopic())
		}
		honest.Topics = append(honest.Topics, topic)
		hostile.Topics = append(hostile.Topics, empty)
		if err := checkProduce(honest.AppendTo(nil), version); err != nil {
			t.Errorf("v%d: honest request: %v", version, err)
		}
		if err := checkProduce(hostile.AppendTo(nil), version); err == nil {
			t.Errorf("v%d: 20,000 empty partitions are let in", version)
		}
		if err := checkProduce(hostileTopics.AppendTo(nil), version); err == nil {
			t.Errorf("v%d: 20,000 empty topics are let in", version)
		}
	}
}

func header(key, version int16, correlation int32, clientID string, flexible bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = binary.BigEndian.AppendUint16(b, uint16(len(clientID)))
	b = append(b, clientID...)
	if flexible {
		b = append(b, 1, 9, 2, 'x', 'y') // one unknown tag, to be skipped
	}
	return b
}

func TestParseHeader(t *testing.T) {
	flexible := func(key, version int16) bool { return version >= 9 }
	plain := header(3, 8, -7, "kgo", false)
	tagged := header(3, 9, 7, "kgo", true)
	null := []byte{0, 3, 0, 1, 0, 0, 0, 5, 0xff, 0xff, 'b'}
	for name, tc := range map[string]struct {
		bytes []byte
		id    *string
		rest  string
		ok    bool
	}{
		"v1":            {append(plain, "body"...), ptr("kgo"), "body", true},
		"v2":            {append(tagged, "body"...), ptr("kgo"), "body", true},
		"null id":       {null, nil, "b", true},
		"no tags":       {header(3, 9, 7, "kgo", false), nil, "", false},
		"cut in id":     {plain[:11], nil, "", false},
		"cut in fields": {plain[:7], nil, "", false},
		"empty":         {nil, nil, "", false},
		"many tags":     {append(header(3, 9, 7, "", false), 0xff, 0xff, 0xff, 0xff, 0x0f), nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			h, rest, err := ParseHeader(tc.bytes, flexible)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v", err)
			}
			if !tc.ok {
				return
			}
			if string(rest) != tc.rest || !reflect.DeepEqual(h.ClientID, tc.id) {
				t.Errorf("got %+v and %q", h, rest)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// FuzzRequest feeds arbitrary frames to the header parser and to the decoder of every key and version. It must neither
// panic nor allocate far beyond the frame, and what it decodes must encode again.
func FuzzRequest(f *testing.F) {
	everyRequest(func(request kmsg.Request, version int16) {
		h := header(request.Key(), version, 1, "fuzz", request.IsFlexible())
		f.Add(request.AppendTo(append([]byte(nil), h...)))
		grow(reflect.ValueOf(request), 2, 1)
		f.Add(request.AppendTo(h))
	})
	flexible := func(key, version int16) bool {
		request := kmsg.RequestForKey(key)
		if request == nil {
			return false
		}
		request.SetVersion(version)
		return request.IsFlexible()
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, body, err := ParseHeader(frame, flexible)
		if err != nil {
			return
		}
		request := kmsg.RequestForKey(h.Key)
		if request == nil || h.Version < 0 || h.Version > request.MaxVersion() {
			return
		}
		decoded, err := decodeBody(h, body)
		if err != nil {
			return
		}
		decoded.AppendTo(nil)
	})
}
