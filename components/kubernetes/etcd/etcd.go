// Package etcd is etcd's main function.
package etcd

import (
	"os"
	"runtime"
	"slices"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// unsupported names the architecture that etcd is to start on although its project does not test it.
const unsupported = "ETCD_UNSUPPORTED_ARCH"

// Main is upstream's, but for one thing: etcd refuses to start on architectures like arm and riscv64 unless it is told
// to, and refuses to say its version there too. A question is no start.
func Main() {
	if _, told := os.LookupEnv(unsupported); !told && slices.Contains(os.Args[1:], "--version") {
		os.Setenv(unsupported, runtime.GOARCH) //nolint:errcheck // then it refuses, as before
	}
	etcdmain.Main(os.Args)
}
