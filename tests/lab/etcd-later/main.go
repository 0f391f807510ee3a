// Command etcd-later is etcd's three programs in one, in a later release of the 3.5
// line than the one that Kubernetes 1.33 is built with: members have to be at
// such a one before they may become 3.6. The name it is called by chooses.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "etcdctl":
		ctlv3.MustStart()
	case "etcdutl":
		report(utl().Execute())
	default:
		report(fmt.Errorf("called as %q, but is only etcd, etcdctl and etcdutl", name))
	}
}

func utl() *cobra.Command {
	root := &cobra.Command{Use: "etcdutl", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "output format")
	root.AddCommand(etcdutl.NewSnapshotCommand(), etcdutl.NewDefragCommand(), etcdutl.NewVersionCommand())
	return root
}

func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
