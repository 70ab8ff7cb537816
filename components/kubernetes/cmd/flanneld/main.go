// Command flanneld is flannel's daemon by itself, for link = "separate".
package main

import "k8simg/components/kubernetes/flannel"

func main() { flannel.Main() }
