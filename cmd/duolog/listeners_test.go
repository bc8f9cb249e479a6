package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/duolog/duolog/broker"
)

func TestListeners(t *testing.T) {
	got, err := parseListeners(
		"PLAINTEXT://127.0.0.1:9092, outside://:0,NAMESRV://[::1]:9876",
		"OUTSIDE://broker.example:19092",
		"OUTSIDE:PLAINTEXT")
	want := []broker.Listener{
		{Name: "PLAINTEXT", Protocol: broker.Kafka, Host: "127.0.0.1", Port: 9092},
		{Name: "OUTSIDE", Protocol: broker.Kafka, AdvertisedHost: "broker.example", AdvertisedPort: 19092},
		{Name: "NAMESRV", Protocol: broker.NameServer, Host: "::1", Port: 9876},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWrongListeners(t *testing.T) {
	tests := []struct{ listeners, advertised, protocols, want string }{
		{"", "", "", "empty"},
		{"127.0.0.1:9092", "", "", "NAME://host:port"},
		{"PLAINTEXT://127.0.0.1", "", "", "NAME://host:port"},
		{"PLAINTEXT://127.0.0.1:70000", "", "", "port"},
		{"PLAINTEXT://127.0.0.1 # mine:9092", "", "", "host"},
		{"PLAINTXT://:9092", "", "", "nearest PLAINTEXT"},
		{"INSIDE://:9092", "", "", "listener.security.protocol.map"},
		{"INSIDE://:9092", "", "INSIDE:SSL", "not served"},
		{"INSIDE://:9092", "", "INSIDE", "NAME:PROTOCOL"},
		{"PLAINTEXT://:1,PLAINTEXT://:2", "", "", "twice"},
		{"PLAINTEXT://:1", "OTHER://a:2", "", "no listener OTHER"},
		{"PLAINTEXT://:1", "PLAINTEXT://0.0.0.0:2", "", "no host"},
		{"PLAINTEXT://:1", "PLAINTEXT", "", "NAME://host:port"},
	}
	for _, test := range tests {
		_, err := parseListeners(test.listeners, test.advertised, test.protocols)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v gives %v", test, err)
		}
	}
}
