// Command cni-install lays the lab's network configuration on the host it runs
// on and then waits to be ended. It is what a network add-on's agent does: the
// file belongs to a DaemonSet, not to the host, so a host that was cleaned gets
// it back by joining again and by nothing else.
package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "wait" {
		wait()
		return
	}
	if err := install(os.Getenv("CNI_TEMPLATE"), os.Getenv("CNI_FILE"), os.Getenv("HOST_IP")); err != nil {
		fmt.Fprintln(os.Stderr, "cni-install:", err)
		os.Exit(1)
	}
}

// install writes the template with this host's own number in it: the last part
// of its address is the third of its pod network.
func install(template, target, address string) error {
	host, err := netip.ParseAddr(address)
	if err != nil || !host.Is4() {
		return fmt.Errorf("HOST_IP must be an IPv4 address, not %q", address)
	}
	text, err := os.ReadFile(template)
	if err != nil {
		return err
	}
	number := fmt.Sprint(host.As4()[3])
	// The runtime watches the folder, and must never read half a file.
	part := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".part")
	if err := os.WriteFile(part, []byte(strings.ReplaceAll(string(text), "@NUMBER@", number)), 0o644); err != nil {
		return err
	}
	return os.Rename(part, target)
}

func wait() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
