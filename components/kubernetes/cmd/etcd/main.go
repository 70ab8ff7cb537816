// Command etcd is etcd by itself, for link = "separate".
package main

import "k8simg/components/kubernetes/etcd"

func main() { etcd.Main() }
