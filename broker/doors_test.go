package broker

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestWhatClientsAreTold(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	bound := socket.Addr().(*net.TCPAddr).Port
	tests := []struct {
		l    Listener
		host string
		port int
	}{
		{Listener{Host: "127.0.0.1"}, "127.0.0.1", bound},
		{Listener{Host: "localhost", AdvertisedPort: 19092}, "localhost", 19092},
		{Listener{Host: "127.0.0.1", AdvertisedHost: "broker.example", AdvertisedPort: 9}, "broker.example", 9},
		{Listener{AdvertisedHost: "broker.example"}, "broker.example", bound},
		{Listener{}, ownAddress(), bound},
		{Listener{Host: "::"}, ownAddress(), bound},
	}
	for _, test := range tests {
		d := &door{Listener: test.l, socket: socket}
		if host, port := d.told(); host != test.host || port != test.port {
			t.Errorf("%+v tells %s:%s", test.l, host, strconv.Itoa(port))
		}
	}
	if net.ParseIP(ownAddress()) == nil {
		t.Errorf("own address is %q", ownAddress())
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	tests := []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.NodeID = -1 }, "node.id"},
		{func(o *Options) { o.MaxMessageBytes = 200 << 20 }, "message.max.bytes"},
		{func(o *Options) { o.DiskWatermark = 101 }, "log.disk.high.watermark"},
		{func(o *Options) { o.Listeners[1].Name = o.Listeners[0].Name }, "twice"},
		{func(o *Options) { o.Listeners[0].Protocol = "SSL" }, `"SSL" is not served`},
		{func(o *Options) { o.Listeners = o.Listeners[2:] }, "no client could connect"},
	}
	if err := (Options{}).withDefaults().validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for _, test := range tests {
		o := Options{}.withDefaults()
		test.change(&o)
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
