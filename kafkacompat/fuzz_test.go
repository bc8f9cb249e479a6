package kafkacompat

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore/message"
)

// filler fills requests with values that are now plausible, now extreme.
type filler struct {
	rng    *rand.Rand
	topics []*image.Topic
}

func (f *filler) fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "Version" {
				f.fill(v.Field(i), depth)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if f.rng.IntN(8) > 0 {
				v.SetBytes(f.batch())
			}
			return
		}
		if f.rng.IntN(10) == 0 {
			return // null
		}
		v.Set(reflect.MakeSlice(v.Type(), f.rng.IntN(4), 4))
		for i := range v.Len() {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Array:
		if f.rng.IntN(2) == 0 {
			v.Set(reflect.ValueOf(f.topics[f.rng.IntN(len(f.topics))].ID))
		}
	case reflect.Pointer:
		if f.rng.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth)
		}
	case reflect.String:
		v.SetString([]string{"", "orders", "audit", "fresh", "no spaces", "\xff\x00", "retention.ms"}[f.rng.IntN(7)])
	case reflect.Bool:
		v.SetBool(f.rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(f.number())
	}
}

func (f *filler) number() int64 {
	switch f.rng.IntN(4) {
	case 0:
		return f.rng.Int64() - f.rng.Int64()
	case 1:
		return -int64(f.rng.IntN(8))
	}
	return int64(f.rng.IntN(8))
}

// batch is a record batch, whole or broken.
func (f *filler) batch() []byte {
	b := aBatchNow(buildOptions(f.rng), "a", "bb", "ccc")
	switch f.rng.IntN(4) {
	case 0:
		b[f.rng.IntN(len(b))] ^= byte(1 + f.rng.IntN(255))
	case 1:
		b = b[:f.rng.IntN(len(b))]
	}
	return b
}

// FuzzRequests drives every served key and version through the real handlers with requests filled at random, and after
// each asks whether the connection still answers or is closed: there is no third way, and no panic.
func FuzzRequests(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d := openNode(t, Options{RequestTimeout: time.Second, MaxFetchWait: 10 * time.Millisecond, Groups: hastyGroups()})
		fill := filler{rand.New(rand.NewPCG(seed, 1)), []*image.Topic{d.node.create("orders", 2), d.node.create("audit", 1)}}
		c := d.dial(t)
		for _, row := range d.front.Table().Rows() {
			from, to := row.Advertised()
			for version := from; version <= to; version++ {
				request := kmsg.RequestForKey(int16(row.Key))
				request.SetVersion(version)
				fill.fill(reflect.ValueOf(request).Elem(), 0)
				if !answers(t, c, request) {
					c = d.dial(t)
				}
			}
		}
		if log := d.log.String(); containsPanic(log) {
			t.Error(log)
		}
	})
}

// answers sends a request and then ApiVersions. It reports whether that was answered, after the request or (acks=0)
// instead of it, and fails the test if the connection neither answers nor closes.
func answers(t *testing.T, c net.Conn, request kmsg.Request) bool {
	formatter := kmsg.NewRequestFormatter()
	versions := kmsg.NewPtrApiVersionsRequest()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(append(formatter.AppendRequest(nil, request, 1), formatter.AppendRequest(nil, versions, 2)...)); err != nil {
		return false
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Fatalf("%s version %d: neither answer nor close: %+v", kmsg.NameForKey(request.Key()), request.GetVersion(), request)
			}
			return false
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			return false
		}
		if binary.BigEndian.Uint32(head[4:]) == 2 {
			return true
		}
		checkAnswer(t, request, body)
	}
}

// checkAnswer decodes an answer as a client would.
func checkAnswer(t *testing.T, request kmsg.Request, body []byte) {
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	if err := response.ReadFrom(body); err != nil {
		t.Fatalf("%s version %d: the answer can't be decoded: %v", kmsg.NameForKey(request.Key()), request.GetVersion(), err)
	}
}

func containsPanic(log string) bool { return strings.Contains(log, "panic") }

func buildOptions(rng *rand.Rand) message.BuildOptions {
	o := message.BuildOptions{Codec: message.Codec(rng.IntN(5)), Control: rng.IntN(20) == 0, Transactional: rng.IntN(20) == 0}
	if rng.IntN(2) == 0 {
		o.Producer = &message.Producer{ID: int64(rng.IntN(3)), Epoch: int16(rng.IntN(2)), Sequence: int32(3 * rng.IntN(3))}
	}
	return o
}
