module k8simg/components/maintscript

go 1.26.6

require (
	github.com/benhoyt/goawk v1.31.0
	mvdan.cc/sh/v3 v3.14.1
)

require (
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/term v0.45.0 // indirect
)
