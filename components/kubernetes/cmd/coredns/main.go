// Command coredns is CoreDNS as a separate program, for link = "separate".
package main

import "hyperkube/coredns"

func main() { coredns.Main() }
