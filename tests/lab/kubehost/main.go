// Command kubehost is every program of a Kubernetes node in one file. No
// prebuilt Kubernetes can be relied on where the lab runs, but its programs are
// ordinary Go packages; linked together they are built once and share one copy
// in the page cache of all lab hosts. The name it is called by chooses the
// program, as links in the packages and images do.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
)

const self = "kubehost"

// programs maps a name to what runs under it; each returns the exit code.
var programs = map[string]func() int{
	"kube-apiserver":          daemon(apiserver.NewAPIServerCommand),
	"kube-controller-manager": daemon(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          daemon(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              daemon(proxy.NewProxyCommand),
	"kubelet":                 daemon(kubeletCommand),
	"kubeadm":                 runKubeadm,
	"kubectl":                 runKubectl,
	"etcd":                    runEtcd,
	"etcdctl":                 runEtcdctl,
	"etcdutl":                 runEtcdutl,
}

func main() {
	name := filepath.Base(os.Args[0])
	// Only for the builder, which has no links yet: kubehost kubeadm config ...
	if name == self && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = filepath.Base(os.Args[0])
	}
	run, known := programs[name]
	if !known {
		os.Exit(report(fmt.Errorf("%s: called as %q, but is only: %s", self, name, strings.Join(names(), ", "))))
	}
	os.Exit(run())
}

// daemon defers the construction of a command: some register flags and metrics
// globally when constructed, so only the chosen one may be.
func daemon(construct func() *cobra.Command) func() int {
	return func() int { return cli.Run(construct()) }
}

func runKubeadm() int { return report(kubeadm.Run()) }

func runKubectl() int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // kubectl's own exit codes; ends the process
	}
	return 0
}

func runEtcd() int {
	etcdmain.Main(os.Args)
	return 0
}

func runEtcdctl() int {
	ctlv3.MustStart()
	return 0
}

// runEtcdutl holds the commands that every etcd from 3.5 on has.
func runEtcdutl() int {
	root := &cobra.Command{Use: "etcdutl", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "output format")
	root.AddCommand(etcdutl.NewSnapshotCommand(), etcdutl.NewDefragCommand(), etcdutl.NewVersionCommand())
	return report(root.Execute())
}

func report(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func names() []string {
	all := make([]string, 0, len(programs))
	for name := range programs {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}
