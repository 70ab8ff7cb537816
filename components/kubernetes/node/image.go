package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k8s.io/component-base/version"
)

// Image is the content of node.json: settings of the disk image. `k8simg check` reads the same file.
type Image struct {
	Name              string `json:"name"`              // name of the defconfig
	Board             string `json:"board"`             // name of the board
	KubernetesVersion string `json:"kubernetesVersion"` // version of a new cluster; default: this program's version
	// IgnorePreflight are the names of kubeadm's preflight checks that do not stop it. NumCPU and Mem: kubeadm requires
	// 2 processors and 1700 MB, and smaller boards work too. Swap: pods do not use it. Hostname: a node does not need a
	// name server.
	IgnorePreflight []string `json:"ignorePreflightErrors"`
	// UnsupportedEtcd are architectures (GOARCH) on which etcd starts only with ETCD_UNSUPPORTED_ARCH.
	UnsupportedEtcd []string `json:"unsupportedEtcdArchitectures"`
	FailSwapOn      bool     `json:"failSwapOn"` // the kubelet's setting
}

// loadImage reads node.json. A missing file gives the default values.
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
