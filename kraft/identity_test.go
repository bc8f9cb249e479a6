package kraft

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/image"
)

func sampleIdentity() Identity {
	return Identity{
		ClusterID: "4L6g3nShT-eMCtK--X86sw", NodeID: 7, Directory: image.UUID{1, 2}, MetadataReplica: 3,
		Incarnation: image.UUID{4}, Previous: image.UUID{5},
	}
}

func TestIdentityText(t *testing.T) {
	want := sampleIdentity()
	got, err := parseIdentity("# comment\r\n\r\n" + strings.ReplaceAll(formatIdentity(want), "\n", "\r\n") + "future.key=1\n")
	if err != nil || got != want {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	for _, damage := range []struct{ from, to string }{
		{"version=1", "version=2"},
		{"version=1", ""},
		{"cluster.id=4L6g3nShT-eMCtK--X86sw", "cluster.id="},
		{"node.id=7", "node.id=-7"},
		{"node.id=7", "node.id=4294967296"},
		{"node.id=7", "node 7"},
		{"directory.id=AQ", "directory.id=?"},
		{"metadata.replica.id=3", "metadata.replica.id=0"},
		{"\nincarnation.id=B", "\nincarnation.id="},
	} {
		text := strings.Replace(formatIdentity(want), damage.from, damage.to, 1)
		if got, err := parseIdentity(text); !errors.Is(err, ErrIdentityDamaged) {
			t.Errorf("%q for %q is read as %+v, %v", damage.to, damage.from, got, err)
		}
	}
	if _, err := parseIdentity(""); !errors.Is(err, ErrIdentityDamaged) {
		t.Errorf("an empty file: %v", err)
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add(formatIdentity(sampleIdentity()))
	f.Add("version=1\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseIdentity(text)
		if err != nil {
			return
		}
		again, err := parseIdentity(formatIdentity(id))
		if err != nil || again != id {
			t.Fatalf("%+v is read back as %+v, %v", id, again, err)
		}
	})
}

// TestIdentitySurvivesPowerLoss loses power at every operation of replacing the identity file.
func TestIdentitySurvivesPowerLoss(t *testing.T) {
	old, next := sampleIdentity(), sampleIdentity()
	next.Previous, next.Incarnation = old.Incarnation, image.UUID{6}
	plan := vfs.Plan{Seed: 1, After: true, Prepare: func(fs *vfs.Fault) {
		if err := errors.Join(fs.MkdirAll("data"), fs.SyncDir("."), writeIdentity(fs, "data", old)); err != nil {
			t.Fatal(err)
		}
	}}
	for trial := range plan.Trials() {
		written := writeIdentity(trial.FS, "data", next) == nil
		for loss, after := range trial.Reboots() {
			got, found, err := readIdentity(after, "data")
			if err != nil || !found || got != next && (written || got != old) {
				t.Fatalf("%s, %s: written %v, read back %+v, %v, %v", trial, loss, written, got, found, err)
			}
		}
	}
}

// TestNewDirectorySurvivesPowerLoss loses power at every operation of making a directory's identity: it is there, whole, or
// made anew.
func TestNewDirectorySurvivesPowerLoss(t *testing.T) {
	for trial := range (vfs.Plan{Seed: 2, After: true}).Trials() {
		cfg := newConfig(trial.FS)
		cfg.Dir = "srv/duolog/data"
		made, makeErr := openDirectory(&cfg)
		for loss, after := range trial.Reboots() {
			cfg.FS = after
			got, err := openDirectory(&cfg)
			if err != nil || makeErr == nil && got != made {
				t.Fatalf("%s, %s: made %+v, %v; read back %+v, %v", trial, loss, made, makeErr, got, err)
			}
		}
	}
}

func newConfig(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "data", NodeID: 1, Rand: rand.Reader}
}

func TestOpenDirectoryRefuses(t *testing.T) {
	write := func(name string) func(vfs.FS) error {
		return func(fs vfs.FS) error {
			f, err := fs.Create(name)
			if err != nil {
				return err
			}
			return f.Close()
		}
	}
	mkdir := func(name string) func(vfs.FS) error { return func(fs vfs.FS) error { return fs.MkdirAll(name) } }
	tests := []struct {
		name    string
		prepare []func(vfs.FS) error
		id      *Identity
		change  func(*Config)
		want    error
		says    string
	}{
		{name: "other cluster", id: &Identity{NodeID: 1}, change: func(c *Config) { c.ClusterID = "mine" }, want: ErrOtherCluster,
			says: `data is a data directory of cluster "c1", the configuration says "mine" (cluster.id)`},
		{name: "other node", id: &Identity{NodeID: 2}, want: ErrOtherNode,
			says: `data is the data directory of node 2, the configuration says 1 (node.id)`},
		{name: "log lost", id: &Identity{NodeID: 1, Incarnation: image.UUID{1}}, want: ErrMetadataMissing,
			says: `data has no metadata folder any more, although node 1 was started from it before`},
		{name: "identity lost", prepare: []func(vfs.FS) error{mkdir("data/metadata"), write("data/metadata/log")}, want: ErrIdentityMissing,
			says: `data holds logs but no meta.properties; restore that file or start with an empty directory`},
		{name: "identity lost, shards there", prepare: []func(vfs.FS) error{mkdir("data/shards/0")}, want: ErrIdentityMissing,
			says: `data holds logs but no meta.properties; restore that file or start with an empty directory`},
		{name: "identity emptied", prepare: []func(vfs.FS) error{mkdir("data"), write("data/meta.properties")}, want: ErrIdentityDamaged,
			says: `data/meta.properties: version="", this program knows version 1`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fs := vfs.NewMemory()
			for _, prepare := range test.prepare {
				if err := prepare(fs); err != nil {
					t.Fatal(err)
				}
			}
			if test.id != nil {
				test.id.ClusterID, test.id.MetadataReplica = "c1", 1
				if err := errors.Join(fs.MkdirAll("data"), writeIdentity(fs, "data", *test.id)); err != nil {
					t.Fatal(err)
				}
			}
			cfg := newConfig(fs)
			if test.change != nil {
				test.change(&cfg)
			}
			_, err := openDirectory(&cfg)
			if !errors.Is(err, test.want) || !strings.HasPrefix(err.Error(), test.says) {
				t.Errorf("%v; want %v: %s", err, test.want, test.says)
			}
		})
	}
}

func TestNewDirectory(t *testing.T) {
	fs := vfs.NewMemory()
	cfg := newConfig(fs)
	made, err := openDirectory(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.ClusterID) != 22 || made.Directory == (image.UUID{}) || made.registered() {
		t.Errorf("%+v", made)
	}
	again, err := openDirectory(&cfg)
	if err != nil || again != made {
		t.Errorf("read back as %+v, %v", again, err)
	}
	named := newConfig(vfs.NewMemory())
	named.ClusterID = "any name"
	if id, err := openDirectory(&named); err != nil || id.ClusterID != "any name" {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestCheckDirectory walks through what copying and crashing can leave of identity and image.
func TestCheckDirectory(t *testing.T) {
	inc := func(n byte) image.UUID { return image.UUID{n} }
	dir := image.UUID{0xd1}
	node := func(incarnation byte) *image.Node {
		return &image.Node{ID: 1, Incarnation: inc(incarnation), Directory: dir}
	}
	tests := []struct {
		name  string
		id    Identity
		image []image.Record
		ok    bool
	}{
		{"never registered", Identity{}, nil, true},
		{"crash before the first registration", Identity{Incarnation: inc(1)}, nil, true},
		{"registered once", Identity{Incarnation: inc(1)}, []image.Record{node(1)}, true},
		{"registered twice", Identity{Incarnation: inc(2), Previous: inc(1)}, []image.Record{node(2)}, true},
		{"crash before the second registration", Identity{Incarnation: inc(2), Previous: inc(1)}, []image.Record{node(1)}, true},
		{"identity file of an older copy", Identity{Incarnation: inc(1)}, []image.Record{node(3)}, false},
		{"identity file of a fresh directory", Identity{}, []image.Record{node(1)}, false},
		{"metadata log of an older copy", Identity{Incarnation: inc(3), Previous: inc(2)}, []image.Record{node(1)}, false},
		{"metadata log of another node", Identity{Incarnation: inc(3), Previous: inc(2)}, nil, false},
		{"directory of another id", Identity{Incarnation: inc(1)}, []image.Record{&image.Node{ID: 1, Incarnation: inc(1)}}, false},
	}
	for _, test := range tests {
		test.id.ClusterID, test.id.NodeID, test.id.Directory = "c1", 1, dir
		img, err := new(image.Image).Apply(append([]image.Record{&image.Cluster{ID: "c1"}}, test.image...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkDirectory("data", test.id, img); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrCopiedDirectory) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	other := Identity{ClusterID: "c2", NodeID: 1, Directory: dir}
	img, _ := new(image.Image).Apply(&image.Cluster{ID: "c1"})
	if err := checkDirectory("data", other, img); !errors.Is(err, ErrCopiedDirectory) {
		t.Errorf("metadata log of another cluster: %v", err)
	}
}

func TestNewIDStartsWithNoDash(t *testing.T) {
	// 0xf8 makes the first character of the text a dash.
	random := append([]byte{0xf8}, make([]byte, 15)...)
	random = append(random, make([]byte, 16)...)
	id, err := newID(strings.NewReader(string(random)))
	if err != nil || image.FormatUUID(id) != "AAAAAAAAQACAAAAAAAAAAA" {
		t.Errorf("%s, %v", image.FormatUUID(id), err)
	}
}
