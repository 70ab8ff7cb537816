// Package etcd is etcd's main function.
package etcd

import (
	"os"
	"runtime"
	"slices"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// unsupported is the variable that names an untested architecture on which etcd should start.
const unsupported = "ETCD_UNSUPPORTED_ARCH"

// Main calls upstream's main function. On architectures like arm and riscv64 etcd refuses to start, and also to print
// its version, unless the variable is set. Main sets it for --version, which does not start a server.
func Main() {
	if _, told := os.LookupEnv(unsupported); !told && slices.Contains(os.Args[1:], "--version") {
		os.Setenv(unsupported, runtime.GOARCH) //nolint:errcheck // on failure etcd refuses, as upstream
	}
	etcdmain.Main(os.Args)
}
