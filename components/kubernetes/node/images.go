package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"
)

func (n *Node) imagesChecked() bool {
	wanted, err := os.ReadFile(n.path(checksumFile))
	if err != nil {
		return false
	}
	found, err := os.ReadFile(n.path(stampFile))
	return err == nil && bytes.Equal(wanted, found)
}

func sumOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // it was only read
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, file, make([]byte, 256<<10)); err != nil {
		return ""
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// VerifyImages checks once, at the first start, that the container images which came with the image are on the disk as
// they were made. They lie in containerd's folder, unpacked, with its databases. The stamp of the check lies there too:
// whoever empties the folder empties it of the stamp, and is told at the next start what is missing.
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
			return n.giveUp("%s is damaged. Write the image again, to another card if this happens twice.",
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
		return n.giveUp("the container images on this card are corrupted: %d files are not as they were made%s. The "+
			"card is worn, or was not written "+
			"completely. Write the image again, to another card if this happens twice.", len(wrong), first)
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
