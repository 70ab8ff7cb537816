// Command etcd is etcd as a separate program, for link = "separate".
package main

import "hyperkube/etcd"

func main() { etcd.Main() }
