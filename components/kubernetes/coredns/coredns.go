// Package coredns is CoreDNS with the plug-ins that a cluster's Corefile uses, and no others.
//
// Upstream's own main package links every plug-in, with the libraries of several clouds, and is half as large again.
// Most of what remains is the Kubernetes client. To have another plug-in, import its package below.
package coredns

import (
	"slices"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Those that kubeadm's default Corefile names.
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics" // the directive "prometheus"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"

	// Those that administrators add to it for names of their own and for looking at what happens.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/transfer"
)

// serverType is CoreDNS's name of its server in caddy's tables of plug-ins.
const serverType = "dns"

// Main is coredns' main function.
func Main() {
	// Upstream's order of directives names every plug-in. One that is not linked must be unknown to the parser: the
	// error then names the Corefile and the line.
	linked := caddy.ListPlugins()["others"]
	dnsserver.Directives = slices.DeleteFunc(dnsserver.Directives, func(directive string) bool {
		return !slices.Contains(linked, serverType+"."+directive)
	})
	coremain.Run()
}
