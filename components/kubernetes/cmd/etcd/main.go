// Command etcd is etcd by itself, for link = "separate".
package main

import "hyperkube/etcd"

func main() { etcd.Main() }
