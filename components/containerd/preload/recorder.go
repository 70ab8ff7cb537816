package main

import (
	"context"
	"errors"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/core/snapshots/storage"
	digest "github.com/opencontainers/go-digest"
)

var errNotHere = errors.New("not supported while containerd's folder is being created")

// recorder is a snapshotter that only writes the metadata of the overlayfs snapshotter: identifiers, parents and sizes.
// The caller of the program adds the files.
type recorder struct {
	books *storage.MetaStore
	layer digest.Digest   // layer of the next snapshot
	usage snapshots.Usage // disk usage of the next snapshot
	made  []snapshot
}

// newRecorder opens the metadata at path.
func newRecorder(path string) (*recorder, error) {
	books, err := storage.NewMetaStore(path)
	if err != nil {
		return nil, err
	}
	return &recorder{books: books, made: []snapshot{}}, nil
}

// next sets the layer and the disk usage of the next snapshot.
func (r *recorder) next(layer digest.Digest, usage snapshots.Usage) { r.layer, r.usage = layer, usage }

func (r *recorder) Prepare(ctx context.Context, key, parent string, opts ...snapshots.Opt) ([]mount.Mount, error) {
	return nil, r.books.WithTransaction(ctx, true, func(ctx context.Context) error {
		made, err := storage.CreateSnapshot(ctx, snapshots.KindActive, key, parent, opts...)
		if err == nil {
			above := snapshot{ID: made.ID, Layer: r.layer}
			if len(made.ParentIDs) > 0 {
				above.Parent = made.ParentIDs[0] // the nearest
			}
			r.made = append(r.made, above)
		}
		return err
	})
}

func (r *recorder) Commit(ctx context.Context, name, key string, opts ...snapshots.Opt) error {
	return r.books.WithTransaction(ctx, true, func(ctx context.Context) error {
		_, err := storage.CommitActive(ctx, key, name, r.usage, opts...)
		return err
	})
}

func (r *recorder) Stat(ctx context.Context, key string) (info snapshots.Info, err error) {
	err = r.books.WithTransaction(ctx, false, func(ctx context.Context) error {
		_, info, _, err = storage.GetInfo(ctx, key)
		return err
	})
	return info, err
}

func (r *recorder) Update(ctx context.Context, info snapshots.Info,
	fieldpaths ...string) (updated snapshots.Info, err error) {
	err = r.books.WithTransaction(ctx, true, func(ctx context.Context) error {
		updated, err = storage.UpdateInfo(ctx, info, fieldpaths...)
		return err
	})
	return updated, err
}

func (r *recorder) Usage(ctx context.Context, key string) (usage snapshots.Usage, err error) {
	err = r.books.WithTransaction(ctx, false, func(ctx context.Context) error {
		_, _, usage, err = storage.GetInfo(ctx, key)
		return err
	})
	return usage, err
}

func (r *recorder) Walk(ctx context.Context, fn snapshots.WalkFunc, filters ...string) error {
	return r.books.WithTransaction(ctx, false, func(ctx context.Context) error {
		return storage.WalkInfo(ctx, fn, filters...)
	})
}

func (r *recorder) Close() error { return r.books.Close() }

func (r *recorder) Mounts(context.Context, string) ([]mount.Mount, error) { return nil, errNotHere }
func (r *recorder) Remove(context.Context, string) error                  { return errNotHere }
func (r *recorder) View(context.Context, string, string, ...snapshots.Opt) ([]mount.Mount, error) {
	return nil, errNotHere
}
