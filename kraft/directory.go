package kraft

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// Folders of a data directory: of the metadata log, and of the shards' logs, which the broker opens.
const (
	MetadataDir = "metadata"
	ShardsDir   = "shards"
)

// openDirectory reads the identity of a data directory and compares it with what the configuration says; a directory
// without one gets one. Nothing is written to a directory that is refused.
func openDirectory(cfg *Config) (Identity, error) {
	id, found, err := readIdentity(cfg.FS, cfg.Dir)
	if err != nil {
		return id, err
	}
	hasLog, err := exists(cfg.FS, path.Join(cfg.Dir, MetadataDir))
	if err != nil {
		return id, err
	}
	hasShards, err := exists(cfg.FS, path.Join(cfg.Dir, ShardsDir))
	if err != nil {
		return id, err
	}
	if !found {
		if hasLog || hasShards {
			return id, refuse(ErrIdentityMissing, "%s holds logs but no %s; restore that file or start with an empty directory",
				cfg.Dir, IdentityFile)
		}
		return makeDirectory(cfg)
	}
	switch {
	case cfg.ClusterID != "" && cfg.ClusterID != id.ClusterID:
		return id, refuse(ErrOtherCluster, "%s is a data directory of cluster %q, the configuration says %q (cluster.id)",
			cfg.Dir, id.ClusterID, cfg.ClusterID)
	case cfg.NodeID != id.NodeID:
		return id, refuse(ErrOtherNode, "%s is the data directory of node %d, the configuration says %d (node.id)",
			cfg.Dir, id.NodeID, cfg.NodeID)
	case id.registered() && !hasLog:
		return id, refuse(ErrMetadataMissing, "%s has no %s folder any more, although node %d was started from it before",
			cfg.Dir, MetadataDir, id.NodeID)
	}
	return id, nil
}

// makeDirectory gives a new data directory its identity. The name of the directory itself is made durable as well.
func makeDirectory(cfg *Config) (Identity, error) {
	id := Identity{ClusterID: cfg.ClusterID, NodeID: cfg.NodeID, MetadataReplica: 1}
	var err error
	if id.Directory, err = newID(cfg.Rand); err != nil {
		return id, err
	}
	if id.ClusterID == "" {
		cluster, err := newID(cfg.Rand)
		if err != nil {
			return id, err
		}
		id.ClusterID = image.FormatUUID(cluster)
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return id, fmt.Errorf("making data directory %s: %w", cfg.Dir, err)
	}
	if err := syncParents(cfg.FS, cfg.Dir); err != nil {
		return id, fmt.Errorf("making data directory %s: %w", cfg.Dir, err)
	}
	return id, writeIdentity(cfg.FS, cfg.Dir, id)
}

// syncParents makes the names on the way to a directory durable: whoever made it may have made its parents too. A parent
// that may not be read was not made by this user.
func syncParents(files vfs.FS, dir string) error {
	for dir = path.Clean(dir); dir != "." && dir != "/"; {
		dir = path.Dir(dir)
		err := files.SyncDir(dir)
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkDirectory compares the identity with the image that the metadata log of the same directory gave. It finds out
// directories that were put together from several, and a copy of which another copy has been started since.
func checkDirectory(dir string, id Identity, img *image.Image) error {
	if img.ClusterID() != id.ClusterID {
		return refuse(ErrCopiedDirectory, "%s says cluster %q in %s, its metadata log says %q",
			dir, id.ClusterID, IdentityFile, img.ClusterID())
	}
	node, ok := img.Node(id.NodeID)
	switch {
	case !ok && id.Previous != image.UUID{}:
		return refuse(ErrCopiedDirectory, "%s has registered node %d before, its metadata log knows no such node", dir, id.NodeID)
	case !ok:
		return nil
	case node.Directory != id.Directory:
		return refuse(ErrCopiedDirectory, "%s has directory id %s, node %d is registered with %s",
			dir, image.FormatUUID(id.Directory), id.NodeID, image.FormatUUID(node.Directory))
	case node.Incarnation != id.Incarnation && node.Incarnation != id.Previous:
		return refuse(ErrCopiedDirectory, "%s: node %d was started since from another copy of this directory", dir, id.NodeID)
	}
	return nil
}

// metadataUID is the identity of a cluster's metadata log: the same on all its voters, another in every cluster.
func metadataUID(clusterID string) raftlog.UID {
	sum := sha256.Sum256([]byte("metadata log of cluster " + clusterID))
	return raftlog.UID(sum[:16])
}

// newID makes a random id: a UUID of version 4 whose text does not start with "-", which command lines would take for a
// flag (org.apache.kafka.common.Uuid.randomUuid).
func newID(random io.Reader) (id image.UUID, err error) {
	for {
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return id, fmt.Errorf("making an id: %w", err)
		}
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if image.FormatUUID(id)[0] != '-' {
			return id, nil
		}
	}
}

// exists says whether a directory has anything in it.
func exists(files vfs.FS, dir string) (bool, error) {
	names, err := files.List(dir)
	if errors.Is(err, vfs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", dir, err)
	}
	return len(names) > 0, nil
}
