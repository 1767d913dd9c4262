// Command kubelab-old is the control plane of the generation that still makes token secrets by itself.
//
// The name under which it is started (a link, or the first argument) selects the component. etcd, kwok and
// kubeadm's certificate phases come from the current generation's program.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// components maps the name of a component to what builds its command.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	// Names ending in five random letters come from the global source, which this generation seeds in main.
	rand.Seed(time.Now().UnixNano())
	name := filepath.Base(os.Args[0])
	if name == "kubelab-old" {
		if len(os.Args) < 2 {
			fmt.Fprintln(os.Stderr, "usage: kubelab-old COMPONENT [ARGUMENT...]")
			os.Exit(2)
		}
		name, os.Args = os.Args[1], os.Args[1:]
	}
	build, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "kubelab-old: unknown component %q\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(build()))
}
