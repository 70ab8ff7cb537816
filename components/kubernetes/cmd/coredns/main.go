// Command coredns is CoreDNS by itself, for link = "separate".
package main

import "hyperkube/coredns"

func main() { coredns.Main() }
