//go:build kubelet_without_context

package main

import (
	"github.com/spf13/cobra"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// kubeletCommand exists twice because the parameter list changed with 1.34.
func kubeletCommand() *cobra.Command { return kubelet.NewKubeletCommand() }
