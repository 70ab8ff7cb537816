package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// extent is the position of a blob in the archive.
type extent struct{ offset, size int64 }

// layout is an OCI image layout in a tar archive, which is read in place.
type layout struct {
	file      *os.File
	blobs     map[digest.Digest]extent
	manifests []ocispec.Descriptor
}

// readLayout finds the blobs of an archive. The archive stays open until the process ends.
func readLayout(path string) (*layout, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	made := &layout{file: file, blobs: map[digest.Digest]extent{}}
	var index *ocispec.Index
	for members := tar.NewReader(file); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if header.Name == "index.json" {
			index = &ocispec.Index{}
			if err := json.NewDecoder(members).Decode(index); err != nil {
				return nil, fmt.Errorf("index.json: %w", err)
			}
			continue
		}
		name, found := strings.CutPrefix(header.Name, ocispec.ImageBlobsDir+"/sha256/")
		if found && header.Typeflag == tar.TypeReg {
			// archive/tar does not read ahead: the file is at the first byte of the member's content.
			offset, err := file.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			made.blobs[digest.NewDigestFromEncoded(digest.SHA256, name)] = extent{offset, header.Size}
		}
	}
	if index == nil {
		return nil, errors.New("has no index.json")
	}
	made.manifests = index.Manifests
	return made, nil
}

// reader returns a reader of a blob. A missing blob is empty; the content store then reports the wrong digest.
func (l *layout) reader(of ocispec.Descriptor) io.Reader {
	at := l.blobs[of.Digest]
	return io.NewSectionReader(l.file, at.offset, at.size)
}

// decode parses a blob with JSON.
func (l *layout) decode(of ocispec.Descriptor, into any) error {
	if _, found := l.blobs[of.Digest]; !found {
		return fmt.Errorf("%s is not in the archive", of.Digest)
	}
	if err := json.NewDecoder(l.reader(of)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", of.Digest, err)
	}
	return nil
}

// usage returns the disk space and the inodes of a layer on a filesystem with blocks of 4 KiB.
func (l *layout) usage(layer digest.Digest) (snapshots.Usage, error) {
	at, found := l.blobs[layer]
	if !found {
		return snapshots.Usage{}, fmt.Errorf("layer %s is not in the archive", layer)
	}
	const block = 4096
	usage := snapshots.Usage{Size: block, Inodes: 1} // the root folder
	stream, err := compression.DecompressStream(io.NewSectionReader(l.file, at.offset, at.size))
	if err != nil {
		return snapshots.Usage{}, fmt.Errorf("layer %s: %w", layer, err)
	}
	defer stream.Close() //nolint:errcheck // read only
	for members := tar.NewReader(stream); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return usage, nil
		}
		if err != nil {
			return usage, fmt.Errorf("layer %s: %w", layer, err)
		}
		switch header.Typeflag {
		case tar.TypeLink:
		case tar.TypeDir:
			usage.Size += block
			usage.Inodes++
		default:
			usage.Size += (header.Size + block - 1) / block * block
			usage.Inodes++
		}
	}
}
