// Command kubectl is the real kubectl of the lab's generation: the runbooks' pipelines are run with it.
//
// It is a program of its own, not a part of kubelab, so that its start-up time is the one users know.
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
