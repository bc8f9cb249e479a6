package kraft

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// IdentityFile is the file in a data directory that says whose it is. Its first four keys are those of Kafka's
// meta.properties.
const IdentityFile = "meta.properties"

// Errors of opening a data directory; each comes in a sentence that names the directory.
var (
	ErrOtherCluster     = errors.New("the data directory belongs to another cluster")
	ErrOtherNode        = errors.New("the data directory belongs to another node")
	ErrCopiedDirectory  = controller.ErrCopiedDirectory
	ErrMetadataMissing  = errors.New("the data directory has lost its metadata log")
	ErrIdentityMissing  = errors.New("the data directory has a metadata log or shards but no identity")
	ErrIdentityDamaged  = errors.New("the identity file of the data directory is damaged")
	ErrIdentityNotSaved = errors.New("the identity file of the data directory can't be written")
)

// Identity is what a data directory knows of itself.
type Identity struct {
	ClusterID string
	NodeID    image.NodeID
	Directory image.UUID // made with the directory; never changes
	// MetadataReplica is the directory's raft id in the metadata log.
	MetadataReplica raftlog.ReplicaID
	// Incarnation was made by the newest start that came as far as to register; Previous is the one that the image held
	// before. One of them is in the image: the registration follows the writing of the file. See
	// controller.RegisterNode.
	Incarnation, Previous image.UUID
}

// refuse makes a sentence for people that errors.Is finds the sentinel in.
func refuse(cause error, format string, args ...any) error {
	return &controller.Refusal{Sentence: fmt.Sprintf(format, args...), Cause: cause}
}

// registered says whether the directory ever came as far as to register its node; by then its metadata log holds the
// cluster.
func (id *Identity) registered() bool { return id.Incarnation != image.UUID{} }

// readIdentity returns false if the directory has no identity file.
func readIdentity(fs vfs.FS, dir string) (Identity, bool, error) {
	name := path.Join(dir, IdentityFile)
	f, err := fs.Open(name)
	if errors.Is(err, vfs.ErrNotExist) {
		return Identity{}, false, nil
	}
	if err != nil {
		return Identity{}, false, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return Identity{}, false, fmt.Errorf("reading %s: %w", name, err)
	}
	if size > 64<<10 {
		return Identity{}, false, fmt.Errorf("%s has %d bytes: %w", name, size, ErrIdentityDamaged)
	}
	text := make([]byte, size)
	if _, err := f.ReadAt(text, 0); err != nil && size > 0 {
		return Identity{}, false, fmt.Errorf("reading %s: %w", name, err)
	}
	id, err := parseIdentity(string(text))
	if err != nil {
		return Identity{}, false, fmt.Errorf("%s: %w", name, err)
	}
	return id, true, nil
}

// writeIdentity replaces the identity file so that a crash leaves the old one or the new one.
func writeIdentity(fs vfs.FS, dir string, id Identity) (err error) {
	name := path.Join(dir, IdentityFile)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w: %w", name, ErrIdentityNotSaved, err)
		}
	}()
	temporary := name + ".tmp"
	f, err := fs.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(formatIdentity(id)), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(temporary, name); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}

func formatIdentity(id Identity) string {
	return strings.Join([]string{
		"version=1",
		"cluster.id=" + id.ClusterID,
		"node.id=" + strconv.Itoa(int(id.NodeID)),
		"directory.id=" + image.FormatUUID(id.Directory),
		"metadata.replica.id=" + strconv.FormatUint(uint64(id.MetadataReplica), 10),
		"incarnation.id=" + image.FormatUUID(id.Incarnation),
		"previous.incarnation.id=" + image.FormatUUID(id.Previous),
		"",
	}, "\n")
}

func parseIdentity(text string) (id Identity, err error) {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return id, fmt.Errorf("line %q is not key=value: %w", line, ErrIdentityDamaged)
		}
		values[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	if v := values["version"]; v != "1" {
		return id, fmt.Errorf("version=%q, this program knows version 1: %w", v, ErrIdentityDamaged)
	}
	var errs []error
	read := func(key string, parse func(string) error) {
		if err := parse(values[key]); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", key, values[key], ErrIdentityDamaged))
		}
	}
	uuid := func(into *image.UUID) func(string) error {
		return func(v string) (err error) { *into, err = image.ParseUUID(v); return err }
	}
	read("cluster.id", func(v string) error {
		id.ClusterID = v
		if v == "" {
			return ErrIdentityDamaged
		}
		return nil
	})
	read("node.id", func(v string) error {
		n, err := strconv.ParseUint(v, 10, 31)
		id.NodeID = image.NodeID(n)
		return err
	})
	read("directory.id", uuid(&id.Directory))
	read("metadata.replica.id", func(v string) error {
		n, err := strconv.ParseUint(v, 10, 64)
		id.MetadataReplica = raftlog.ReplicaID(n)
		if n == 0 {
			return ErrIdentityDamaged
		}
		return err
	})
	read("incarnation.id", uuid(&id.Incarnation))
	read("previous.incarnation.id", uuid(&id.Previous))
	return id, errors.Join(errs...)
}
