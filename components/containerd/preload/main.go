// Command containerd-preload writes what containerd's folder holds after the images of an archive were imported and
// unpacked, without a containerd, without mounts and without root: it runs where the image is made, so that a node
// imports nothing when it starts.
//
//	containerd-preload ARCHIVE FOLDER SECONDS
//
// ARCHIVE is an OCI image layout as a tar, with uncompressed layers. FOLDER gets containerd's metadata, the manifests
// and configurations of the images, the snapshotter's metadata, and snapshots.json: which snapshot is which layer. The
// files of the layers are put below io.containerd.snapshotter.v1.overlayfs/snapshots/ID/fs by the caller. Layers are
// not kept as blobs, as with containerd's discard_unpacked_layers. All that containerd would date is dated SECONDS, and
// the databases are written anew in their order, so that the same archive gives the same bytes.
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

// Where containerd 2 keeps things below its root: the plug-ins' identifiers.
const (
	contentFolder  = "io.containerd.content.v1.content"
	metadataFolder = "io.containerd.metadata.v1.bolt"
	snapshotter    = "overlayfs"
	snapshotFolder = "io.containerd.snapshotter.v1." + snapshotter
	namespace      = "k8s.io" // the kubelet's
)

// imageLabels are what an image has that the kubelet pulled and must not collect.
var imageLabels = map[string]string{"io.cri-containerd.image": "managed", "io.cri-containerd.pinned": "pinned"}

// snapshot says whose files belong below snapshots/ID/fs.
type snapshot struct {
	ID    string        `json:"id"`
	Layer digest.Digest `json:"layer"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("containerd-preload", version.Version)
		return
	}
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "Usage: containerd-preload ARCHIVE FOLDER SECONDS")
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
		return fmt.Errorf("%s is no number of seconds", seconds)
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

// prepare makes the two databases and the content store, and says which layer each snapshot is.
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
	if err := db.Update(func(tx *bolt.Tx) error { return metadata.NewNamespaceStore(tx).Create(ctx, namespace, nil) }); err != nil {
		return nil, err
	}
	for _, manifest := range layout.manifests {
		if manifest.ArtifactType != "" {
			continue // says something of an image, and is none
		}
		name := manifest.Annotations[images.AnnotationImageName]
		if err := addImage(ctx, db, backend, layout, name, manifest); err != nil {
			return nil, fmt.Errorf("image %q: %w", name, err)
		}
	}
	// Where content is received; containerd makes it again.
	if err := os.RemoveAll(filepath.Join(folder, contentFolder, "ingest")); err != nil {
		return nil, err
	}
	return backend.made, nil
}

// addImage records one image: its snapshots, its configuration and manifest with what keeps the garbage collector from
// them, and its name.
func addImage(ctx context.Context, db *metadata.DB, backend *recorder, layout *layout, name string, target ocispec.Descriptor) error {
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
		if layer.Digest != config.RootFS.DiffIDs[i] {
			return fmt.Errorf("layer %s is compressed", layer.Digest)
		}
		if err := addSnapshot(ctx, db, backend, layout, config.RootFS.DiffIDs[:i+1]); err != nil {
			return err
		}
	}
	chain := map[string]string{"containerd.io/gc.ref.snapshot." + snapshotter: identity.ChainID(config.RootFS.DiffIDs).String()}
	for _, blob := range []struct {
		descriptor ocispec.Descriptor
		labels     map[string]string
	}{{manifest.Config, chain}, {target, keep}} {
		plain := ocispec.Descriptor{MediaType: blob.descriptor.MediaType, Digest: blob.descriptor.Digest, Size: blob.descriptor.Size}
		if err := content.WriteBlob(ctx, db.ContentStore(), blob.descriptor.Digest.String(), layout.reader(plain), plain, content.WithLabels(blob.labels)); err != nil {
			return err
		}
	}
	plain := ocispec.Descriptor{MediaType: target.MediaType, Digest: target.Digest, Size: target.Size}
	_, err := metadata.NewImageStore(db).Create(ctx, images.Image{Name: name, Target: plain, Labels: imageLabels})
	return err
}

// addSnapshot records the last of some layers on top of the others, unless another image has the same.
func addSnapshot(ctx context.Context, db *metadata.DB, backend *recorder, layout *layout, chain []digest.Digest) error {
	layer := chain[len(chain)-1]
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
