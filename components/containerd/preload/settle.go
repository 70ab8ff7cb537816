package main

import (
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pageSize is the page size of the databases and of the boards' kernels. bbolt also reads databases with another size.
const pageSize = 4096

// settle rewrites a database in the order of its keys and replaces all timestamps, so that the file does not depend on
// how and when it was written.
func settle(path string, date time.Time) error {
	stamp, err := date.MarshalBinary()
	if err != nil {
		return err
	}
	written, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer written.Close()
	fresh, err := bolt.Open(path+".new", 0o644, &bolt.Options{PageSize: pageSize, NoSync: true})
	if err != nil {
		return err
	}
	err = written.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			return copyBucket(fresh, bucket, [][]byte{name}, stamp)
		})
	})
	if err == nil {
		err = fresh.Sync()
	}
	if err != nil {
		fresh.Close() //nolint:errcheck // the first error is returned
		return err
	}
	if err := fresh.Close(); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// copyBucket copies a bucket, and then the buckets in it, each in its own transaction. In one transaction, bbolt
// assigns pages to buckets in the order of a Go map, which is random. With one bucket and its parents in a transaction,
// the order is fixed.
func copyBucket(to *bolt.DB, from *bolt.Bucket, path [][]byte, stamp []byte) error {
	err := to.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(path[0])
		for _, name := range path[1:] {
			if err != nil {
				return err
			}
			bucket, err = bucket.CreateBucketIfNotExists(name)
		}
		if err != nil {
			return err
		}
		if err := bucket.SetSequence(from.Sequence()); err != nil {
			return err
		}
		return from.ForEach(func(key, value []byte) error {
			switch {
			case value == nil: // a bucket
				return nil
			case string(key) == "createdat" || string(key) == "updatedat":
				return bucket.Put(key, stamp)
			default:
				return bucket.Put(key, value)
			}
		})
	})
	if err != nil {
		return err
	}
	return from.ForEachBucket(func(name []byte) error {
		return copyBucket(to, from.Bucket(name), append(path[:len(path):len(path)], name), stamp)
	})
}
