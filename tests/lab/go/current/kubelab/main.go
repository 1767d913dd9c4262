// Command kubelab is every Kubernetes component of the lab in one program.
//
// The name under which it is started (a link, or the first argument) selects the component. One program
// instead of nine shares the packages that all of them link: a third of the size on disk, and one file
// is all that an image archive for static pods needs.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app/cmd"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
)

// components maps the name of a component to what builds its command.
var components = map[string]func() (*cobra.Command, error){
	"kube-apiserver":          func() (*cobra.Command, error) { return apiserver.NewAPIServerCommand(), nil },
	"kube-controller-manager": func() (*cobra.Command, error) { return controllermanager.NewControllerManagerCommand(), nil },
	"kube-scheduler":          func() (*cobra.Command, error) { return scheduler.NewSchedulerCommand(), nil },
	"kube-proxy":              func() (*cobra.Command, error) { return proxy.NewProxyCommand(), nil },
	"kubelet":                 func() (*cobra.Command, error) { return kubelet.NewKubeletCommand(context.Background()), nil },
	"kubeadm": func() (*cobra.Command, error) {
		return kubeadm.NewKubeadmCommand(os.Stdin, os.Stdout, os.Stderr), nil
	},
	"kwok": kwokCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if name == "kubelab" {
		if len(os.Args) < 2 {
			fmt.Fprintln(os.Stderr, "usage: kubelab COMPONENT [ARGUMENT...]")
			os.Exit(2)
		}
		name, os.Args = os.Args[1], os.Args[1:]
	}
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	build, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "kubelab: unknown component %q\n", name)
		os.Exit(2)
	}
	command, err := build()
	if err != nil {
		fmt.Fprintf(os.Stderr, "kubelab: %s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(cli.Run(command))
}

// kwokCommand gives kwok a fresh global flag set: Kubernetes' packages register a --version that takes a
// value, and cobra would refuse to add kwok's own beside it.
func kwokCommand() (*cobra.Command, error) {
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ExitOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	// Only --config and -v are read here, before cobra parses the whole command line.
	flags.ParseErrorsAllowlist.UnknownFlags, flags.Usage = true, func() {}
	ctx, _ := kwoklog.InitFlags(context.Background(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		return nil, err
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	command.SetContext(ctx)
	return command, nil
}
