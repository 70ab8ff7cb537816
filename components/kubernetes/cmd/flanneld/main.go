// Command flanneld is flannel's daemon as a separate program, for link = "separate".
package main

import "hyperkube/flannel"

func main() { flannel.Main() }
