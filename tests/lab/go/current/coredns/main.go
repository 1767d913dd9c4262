// Command coredns is CoreDNS with the plugins that a cluster's Corefile names, and no others: without the
// cloud providers' plugins it builds in a fraction of the time.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

func main() {
	// The order is CoreDNS's own: what comes first sees a query first.
	dnsserver.Directives = []string{"reload", "health", "ready", "log", "errors", "cache", "kubernetes"}
	coremain.Run()
}
