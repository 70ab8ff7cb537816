// Command coredns is CoreDNS by itself, for link = "separate".
package main

import "k8simg/components/kubernetes/coredns"

func main() { coredns.Main() }
