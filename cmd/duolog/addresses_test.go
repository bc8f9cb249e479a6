package main

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/duolog/duolog/protocol/remoting"
)

// TestAClientIsToldTheAddressOfItsListener, in both protocols: what a client in a container network is told works there,
// and what one outside is told works outside.
func TestAClientIsToldTheAddressOfItsListener(t *testing.T) {
	n := startNode(t, "--data-dir", t.TempDir(),
		"--listeners", freePorts+",OUTSIDE://127.0.0.1:0,ROCKETMQ_OUTSIDE://127.0.0.1:0,NAMESRV_OUTSIDE://127.0.0.1:0",
		"--advertised-listeners", "OUTSIDE://outside.example:1111,ROCKETMQ_OUTSIDE://outside.example:2222",
		"--listener-security-protocol-map", "OUTSIDE:PLAINTEXT,ROCKETMQ_OUTSIDE:ROCKETMQ,NAMESRV_OUTSIDE:NAMESRV")
	if code, _, stderr := command(t, "topic", "create", "orders", "--bootstrap", n.addresses["PLAINTEXT"]); code != 0 {
		t.Fatal(stderr)
	}
	for listener, want := range map[string]string{"PLAINTEXT": n.addresses["PLAINTEXT"], "OUTSIDE": "outside.example:1111"} {
		if got := kafkaAddress(t, n.addresses[listener]); got != want {
			t.Errorf("a Kafka client that came in by %s is told %s, want %s", listener, got, want)
		}
	}
	for listener, want := range map[string]string{
		"NAMESRV": n.addresses["ROCKETMQ"], "ROCKETMQ": n.addresses["ROCKETMQ"],
		"NAMESRV_OUTSIDE": "outside.example:2222", "ROCKETMQ_OUTSIDE": "outside.example:2222",
	} {
		if route := rocketRoute(t, n.addresses[listener], "orders"); !strings.Contains(route, strconv.Quote(want)) {
			t.Errorf("a RocketMQ client that came in by %s is told %s, want %s", listener, route, want)
		}
	}
}

func kafkaAddress(t *testing.T, seed string) string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seed))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	brokers, err := kadm.NewClient(client).ListBrokers(t.Context())
	if err != nil || len(brokers) != 1 {
		t.Fatalf("%v, %v", brokers, err)
	}
	return net.JoinHostPort(brokers[0].Host, strconv.Itoa(int(brokers[0].Port)))
}

// rocketRoute asks for a topic's route and returns the answer's body.
func rocketRoute(t *testing.T, address, topic string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	frame, err := remoting.AppendFrame(nil, remoting.NewRequest(remoting.GetRouteInfoByTopic).Field("topic", topic))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, min(binary.BigEndian.Uint32(size[:]), 1<<20))
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	decoded, err := remoting.Decode(answer)
	if err != nil || decoded.Code != 0 {
		t.Fatalf("%+v, %v", decoded, err)
	}
	return string(decoded.Body)
}
