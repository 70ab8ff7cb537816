// Command containerd-preload creates the content of containerd's folder as it is after the import of container images.
// It needs no containerd, no mounts and no root. It runs during the build of a disk image, so that a node imports
// nothing when it starts.
//
//	containerd-preload ARCHIVE FOLDER SECONDS
//
// ARCHIVE is an OCI image layout as an uncompressed tar archive; its layers may be compressed. Into FOLDER, the command
// writes containerd's metadata, the manifests and configurations of the images, the metadata of the snapshotter, and
// snapshots.json, which maps snapshots to layers and parents. The caller adds the files of the layers below
// io.containerd.snapshotter.v1.overlayfs/snapshots/ID/fs. Layers are not stored as blobs, as with containerd's setting
// discard_unpacked_layers. SECONDS is the time in all timestamps. The databases are rewritten in the order of their
// keys, so that the same archive always gives the same bytes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/version"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// Folders of containerd 2 below its root, named after plug-ins.
const (
	contentFolder  = "io.containerd.content.v1.content"
	metadataFolder = "io.containerd.metadata.v1.bolt"
	snapshotter    = "overlayfs"
	snapshotFolder = "io.containerd.snapshotter.v1." + snapshotter
	namespace      = "k8s.io" // namespace of the CRI plug-in
)

// imageLabels are the labels of an image that the kubelet uses and does not collect as garbage.
var imageLabels = map[string]string{"io.cri-containerd.image": "managed", "io.cri-containerd.pinned": "pinned"}

// snapshot says which layer's files belong below snapshots/ID/fs, and above which snapshot.
type snapshot struct {
	ID     string        `json:"id"`
	Parent string        `json:"parent,omitempty"`
	Layer  digest.Digest `json:"layer"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("containerd-preload", version.Version)
		return
	}
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "Usage: containerd-preload ARCHIVE FOLDER SECONDS\n"+
			"Writes containerd's folder with the images of an OCI image layout (an uncompressed tar).\n"+
			"SECONDS since 1970 are the time in all timestamps.")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintf(os.Stderr, "containerd-preload: %v\n", err)
		os.Exit(1)
	}
}

func run(archive, folder, seconds string) error {
	epoch, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number of seconds", seconds)
	}
	layout, err := readLayout(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	made, err := prepare(layout, folder)
	if err != nil {
		return err
	}
	for _, database := range []string{metadataFolder + "/meta.db", snapshotFolder + "/metadata.db"} {
		if err := settle(filepath.Join(folder, database), time.Unix(epoch, 0).UTC()); err != nil {
			return fmt.Errorf("%s: %w", database, err)
		}
	}
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "snapshots.json"), append(text, '\n'), 0o644)
}

// prepare creates the two databases and the content store. It returns the layer of each snapshot.
func prepare(layout *layout, folder string) ([]snapshot, error) {
	for _, each := range []string{metadataFolder, snapshotFolder} {
		if err := os.MkdirAll(filepath.Join(folder, each), 0o700); err != nil {
			return nil, err
		}
	}
	backend, err := newRecorder(filepath.Join(folder, snapshotFolder, "metadata.db"))
	if err != nil {
		return nil, err
	}
	defer backend.Close()
	store, err := local.NewStore(filepath.Join(folder, contentFolder))
	if err != nil {
		return nil, err
	}
	database, err := bolt.Open(filepath.Join(folder, metadataFolder, "meta.db"), 0o644, &bolt.Options{PageSize: pageSize})
	if err != nil {
		return nil, err
	}
	defer database.Close()
	db := metadata.NewDB(database, store, map[string]snapshots.Snapshotter{snapshotter: backend})
	ctx := namespaces.WithNamespace(context.Background(), namespace)
	if err := db.Init(ctx); err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error { return metadata.NewNamespaceStore(tx).Create(ctx, namespace, nil) })
	if err != nil {
		return nil, err
	}
	for _, manifest := range layout.manifests {
		if manifest.ArtifactType != "" {
			continue // an artifact about an image, such as an SBOM
		}
		name := manifest.Annotations[images.AnnotationImageName]
		if err := addImage(ctx, db, backend, layout, name, manifest); err != nil {
			return nil, fmt.Errorf("image %q: %w", name, err)
		}
	}
	// The folder for incoming content. containerd creates it when it needs it.
	if err := os.RemoveAll(filepath.Join(folder, contentFolder, "ingest")); err != nil {
		return nil, err
	}
	return backend.made, nil
}

// addImage records an image: its snapshots, its configuration and manifest with the labels that prevent garbage
// collection, and its name.
func addImage(ctx context.Context, db *metadata.DB, backend *recorder, layout *layout, name string,
	target ocispec.Descriptor) error {
	if name == "" {
		return fmt.Errorf("has no annotation %s", images.AnnotationImageName)
	}
	var manifest ocispec.Manifest
	if err := layout.decode(target, &manifest); err != nil {
		return err
	}
	var config ocispec.Image
	if err := layout.decode(manifest.Config, &config); err != nil {
		return err
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return fmt.Errorf("has %d layers and %d diff_ids", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	keep := map[string]string{"containerd.io/gc.ref.content.config": manifest.Config.Digest.String()}
	for i, layer := range manifest.Layers {
		keep[fmt.Sprintf("containerd.io/gc.ref.content.l.%d", i)] = layer.Digest.String()
		if err := addSnapshot(ctx, db, backend, layout, layer.Digest, config.RootFS.DiffIDs[:i+1]); err != nil {
			return err
		}
	}
	snapshot := identity.ChainID(config.RootFS.DiffIDs).String()
	chain := map[string]string{"containerd.io/gc.ref.snapshot." + snapshotter: snapshot}
	for _, blob := range []struct {
		descriptor ocispec.Descriptor
		labels     map[string]string
	}{{manifest.Config, chain}, {target, keep}} {
		of := plain(blob.descriptor)
		err := content.WriteBlob(ctx, db.ContentStore(), of.Digest.String(), layout.reader(of), of,
			content.WithLabels(blob.labels))
		if err != nil {
			return err
		}
	}
	image := images.Image{Name: name, Target: plain(target), Labels: imageLabels}
	_, err := metadata.NewImageStore(db).Create(ctx, image)
	return err
}

// plain returns a descriptor without annotations and platform.
func plain(of ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: of.MediaType, Digest: of.Digest, Size: of.Size}
}

// addSnapshot records a layer, the last one of a chain, as a snapshot on top of the others, unless another image has
// added it. The chain consists of the digests of uncompressed layers.
func addSnapshot(ctx context.Context, db *metadata.DB, backend *recorder, layout *layout, layer digest.Digest,
	chain []digest.Digest) error {
	name := identity.ChainID(chain).String()
	snapshots := db.Snapshotter(snapshotter)
	if _, err := snapshots.Stat(ctx, name); err == nil {
		return nil
	}
	parent := ""
	if len(chain) > 1 {
		parent = identity.ChainID(chain[:len(chain)-1]).String()
	}
	usage, err := layout.usage(layer)
	if err != nil {
		return err
	}
	backend.next(layer, usage)
	if _, err := snapshots.Prepare(ctx, "preload "+name, parent); err != nil {
		return err
	}
	return snapshots.Commit(ctx, name, "preload "+name)
}
