package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/core/images"
	digest "github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// archive is an OCI layout under construction.
type archive struct {
	t     *testing.T
	bytes bytes.Buffer
	tar   *tar.Writer
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	made := &archive{t: t}
	made.tar = tar.NewWriter(&made.bytes)
	return made
}

func (a *archive) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) file(name string, text []byte) {
	a.t.Helper()
	a.must(a.tar.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg}))
	_, err := a.tar.Write(text)
	a.must(err)
}

func (a *archive) blob(mediaType string, text []byte) ocispec.Descriptor {
	a.t.Helper()
	of := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	a.file("blobs/sha256/"+of.Digest.Encoded(), text)
	return of
}

func (a *archive) json(mediaType string, object any) ocispec.Descriptor {
	a.t.Helper()
	text, err := json.Marshal(object)
	a.must(err)
	return a.blob(mediaType, text)
}

// layer returns a tar with one file, and the same compressed.
func layer(t *testing.T, content string) (plain, packed []byte) {
	t.Helper()
	inner := newArchive(t)
	inner.file("app", []byte(content))
	inner.must(inner.tar.Close())
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write(inner.bytes.Bytes())
	inner.must(err)
	inner.must(writer.Close())
	return inner.bytes.Bytes(), out.Bytes()
}

// TestCompressedLayersAndTwoNames prepares the folder for an image of somebody else: its layers are compressed, and it
// has two names.
func TestCompressedLayersAndTwoNames(t *testing.T) {
	a := newArchive(t)
	lower, packedLower := layer(t, "lower")
	upper, packedUpper := layer(t, "upper")
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}
	config.RootFS.DiffIDs = []digest.Digest{digest.FromBytes(lower), digest.FromBytes(upper)}
	first := a.blob(ocispec.MediaTypeImageLayerGzip, packedLower)
	second := a.blob(ocispec.MediaTypeImageLayerGzip, packedUpper)
	manifest := a.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		Config: a.json(ocispec.MediaTypeImageConfig, config), Layers: []ocispec.Descriptor{first, second}})
	var index ocispec.Index
	names := []string{"registry.example/app:1", "registry.example/app@" + manifest.Digest.String()}
	for _, name := range names {
		entry := manifest
		entry.Annotations = map[string]string{images.AnnotationImageName: name}
		index.Manifests = append(index.Manifests, entry)
	}
	text, err := json.Marshal(index)
	a.must(err)
	a.file("index.json", text)
	a.must(a.tar.Close())
	folder := t.TempDir()
	path := filepath.Join(folder, "archive.tar")
	a.must(os.WriteFile(path, a.bytes.Bytes(), 0o600))

	out := filepath.Join(folder, "out")
	a.must(run(path, out, "1763195591"))
	text, err = os.ReadFile(filepath.Join(out, "snapshots.json"))
	a.must(err)
	var found []snapshot
	a.must(json.Unmarshal(text, &found))
	if len(found) != 2 || found[0].Layer != first.Digest || found[1].Layer != second.Digest || found[0].Parent != "" ||
		found[1].Parent != found[0].ID {
		t.Errorf("%s", text)
	}
	// The manifest has its original digest, and layers are no blobs.
	blobs := filepath.Join(out, contentFolder, "blobs", "sha256")
	if _, err := os.Stat(filepath.Join(blobs, manifest.Digest.Encoded())); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(blobs, first.Digest.Encoded())); err == nil {
		t.Error("a layer is stored as a blob")
	}
	database, err := bolt.Open(filepath.Join(out, metadataFolder, "meta.db"), 0o600, &bolt.Options{ReadOnly: true})
	a.must(err)
	defer database.Close() //nolint:errcheck // read only
	a.must(database.View(func(tx *bolt.Tx) error {
		listed := tx.Bucket([]byte("v1")).Bucket([]byte(namespace)).Bucket([]byte("images"))
		for _, name := range names {
			if image := listed.Bucket([]byte(name)); image == nil || image.Bucket([]byte("labels")) == nil {
				t.Errorf("there is no image %s", name)
			}
		}
		return nil
	}))
	again := filepath.Join(folder, "again")
	a.must(run(path, again, "1763195591"))
	for _, file := range []string{metadataFolder + "/meta.db", snapshotFolder + "/metadata.db"} {
		one, err := os.ReadFile(filepath.Join(out, file))
		a.must(err)
		two, err := os.ReadFile(filepath.Join(again, file))
		a.must(err)
		if !bytes.Equal(one, two) {
			t.Errorf("%s differs between two runs", file)
		}
	}
}
