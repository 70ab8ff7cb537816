// Package coredns is CoreDNS with only the plug-ins that a cluster's Corefile uses.
//
// Upstream's main package links every plug-in, with the libraries of several clouds, and is half as large again. To add
// a plug-in, import its package below.
package coredns

import (
	"slices"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Used by kubeadm's default Corefile.
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

	// Used by administrators for additional names and for debugging.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/transfer"
)

// serverType is the name of CoreDNS' server in caddy's tables of plug-ins.
const serverType = "dns"

// Main is coredns' main function.
func Main() {
	// Upstream's list of directives has every plug-in. Plug-ins that are not linked are removed, so that the parser's
	// error names the Corefile and the line.
	linked := caddy.ListPlugins()["others"]
	dnsserver.Directives = slices.DeleteFunc(dnsserver.Directives, func(directive string) bool {
		return !slices.Contains(linked, serverType+"."+directive)
	})
	coremain.Run()
}
