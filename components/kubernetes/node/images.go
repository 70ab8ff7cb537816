package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"
)

// imagesChecked reports whether the container images of this disk image were verified.
func (n *Node) imagesChecked() bool {
	wanted, err := os.ReadFile(n.path(checksumFile))
	if err != nil {
		return false
	}
	found, err := os.ReadFile(n.path(stampFile))
	return err == nil && bytes.Equal(wanted, found)
}

// sumOf returns the SHA-256 of a file in hexadecimal, or "" if the file cannot be read.
func sumOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // read only
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, file, make([]byte, 256<<10)); err != nil {
		return ""
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// VerifyImages compares the files of the preloaded container images with their checksums. It does so once: a copy of
// the checksums in containerd's folder records the success. If the folder is emptied, the copy is gone too, and the
// next start reports the missing files.
func (n *Node) VerifyImages() error {
	if n.imagesChecked() {
		return nil
	}
	began := n.Clock.Now()
	n.tell("checking the container images, once")
	list, err := os.ReadFile(n.path(checksumFile))
	if err != nil {
		return n.giveUp("%s cannot be read: %v", checksumFile, err)
	}
	var wrong []string
	files := 0
	for line := range strings.Lines(string(list)) {
		sum, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found || len(sum) != sha256.Size*2 {
			return n.giveUp("%s is damaged. Write the image again, to another card or disk if this happens twice",
				checksumFile)
		}
		files++
		if sumOf(n.path("/"+name)) != sum {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 || files == 0 {
		first := ""
		if len(wrong) > 0 {
			first = ", the first is /" + wrong[0]
		}
		return n.giveUp("the container images on this disk are damaged: %d files are not as they were made%s. The "+
			"card or disk is worn, or was not written completely. Write the image again, to another card or disk if this "+
			"happens twice", len(wrong), first)
	}
	if _, err := n.write(stampFile, string(list), 0o644); err != nil {
		return err
	}
	images, err := os.ReadFile(n.path(imageListFile))
	if err != nil {
		images = nil
	}
	n.say("%d container images are as they were made, checked in %.0f s", bytes.Count(images, []byte("\n")),
		n.Clock.Now().Sub(began).Seconds())
	return nil
}
