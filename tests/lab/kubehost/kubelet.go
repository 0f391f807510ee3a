//go:build !kubelet_without_context

package main

import (
	"context"

	"github.com/spf13/cobra"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// kubeletCommand hands over an empty context, because the command wires its
// own signal handling and a second handler would swallow the first SIGTERM.
func kubeletCommand() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }
