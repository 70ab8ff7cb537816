// Package etcd contains etcd's main function.
package etcd

import (
	"os"
	"runtime"
	"slices"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// unsupported is the variable that contains the name of an unsupported architecture on which etcd is to start.
const unsupported = "ETCD_UNSUPPORTED_ARCH"

// Main calls upstream's main function. On unsupported architectures, such as arm and riscv64, etcd starts and prints
// its version only if the variable is set. Main sets it for --version, which does not start a server.
func Main() {
	if _, told := os.LookupEnv(unsupported); !told && slices.Contains(os.Args[1:], "--version") {
		os.Setenv(unsupported, runtime.GOARCH) //nolint:errcheck // on failure etcd refuses, as upstream
	}
	etcdmain.Main(os.Args)
}
