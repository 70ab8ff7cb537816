package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k8s.io/component-base/version"
)

// Image is what the image says that the node does: /usr/share/k8simg/node.json, which the host's checks of the image
// read too.
type Image struct {
	Name              string `json:"name"`              // of the defconfig
	Board             string `json:"board"`             // it is made for
	KubernetesVersion string `json:"kubernetesVersion"` // of the cluster that is made; without it this program's
	// IgnorePreflight are checks of kubeadm. NumCPU, Mem: it asks for 2 processors and 1700 MB; a board has what it
	// has, and runs. Swap: it is compressed memory, and no pod uses it. Hostname: a node without a name server is still
	// a node.
	IgnorePreflight []string `json:"ignorePreflightErrors"`
	// UnsupportedEtcd are architectures, as Go names them, that etcd runs on but its authors do not vouch for.
	UnsupportedEtcd []string `json:"unsupportedEtcdArchitectures"`
	FailSwapOn      bool     `json:"failSwapOn"` // of the kubelet
}

// loadImage reads node.json. Without it nothing is ignored.
func loadImage(path string) (Image, error) {
	image := Image{KubernetesVersion: version.Get().GitVersion}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return image, nil
	} else if err != nil {
		return image, err
	}
	if err := json.Unmarshal(text, &image); err != nil {
		return image, fmt.Errorf("%s: %w", path, err)
	}
	return image, nil
}
