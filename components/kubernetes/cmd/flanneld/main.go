// Command flanneld is flannel's daemon by itself, for link = "separate".
package main

import "hyperkube/flannel"

func main() { flannel.Main() }
