// Command k8simg-node is the program of hyperkube/node as a separate program, for link = "separate".
package main

import (
	"os"

	"hyperkube/node"
	"hyperkube/node/system"
)

func main() { os.Exit(node.Main(os.Args[1:], system.New)) }
