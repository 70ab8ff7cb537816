// Maintscript evaluates the maintainer scripts of Debian packages over a tree, without running any program of the
// target. It is a tool of the build, and is not installed.
//
//	maintscript REQUEST BLOBS OUT
//
// REQUEST is a JSON file (exchange.go), BLOBS a folder with the contents of the tree's files, OUT an empty folder.
// OUT
// gets result.json and the contents of changed files. The exit code is 0 even if scripts failed: the result says so.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"k8simg/components/maintscript/eval"
)

// version of the result's meaning.
const version = "maintscript 1"

// maxMemory of the evaluation. A script can double a variable until the machine has none left.
const maxMemory = 2 << 30

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version)
		return
	}
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: maintscript REQUEST BLOBS OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "maintscript:", err)
		os.Exit(1)
	}
}

func run(requestFile, blobs, out string) error {
	request, fs, err := readRequest(requestFile, blobs)
	if err != nil {
		return err
	}
	before := fs.Entries()
	given := snapshot(before)
	machine := eval.New(fs, request)
	// A script that is too deep or too big for the interpreter ends the program: the message names it.
	debug.SetMaxStack(512 << 20)
	go watch(machine)
	machine.Run()
	return writeResult(out, machine, given)
}

// watch ends the program when the scripts have filled its memory.
func watch(machine *eval.Machine) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		time.Sleep(20 * time.Millisecond)
		metrics.Read(sample)
		if used := sample[0].Value.Uint64(); used > maxMemory {
			fmt.Fprintf(os.Stderr, "maintscript: the %s used more than %d MB of memory\n", machine.Where(), maxMemory>>20)
			os.Exit(1)
		}
	}
}

var errPath = errors.New("path has a character above U+00FF")
