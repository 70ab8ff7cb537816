// Command k8simg-node is the node's own program in a file of its own, for images whose programs are separate. See
// hyperkube/node.
package main

import (
	"os"

	"hyperkube/node"
	"hyperkube/node/system"
)

func main() { os.Exit(node.Main(os.Args[1:], system.New)) }
