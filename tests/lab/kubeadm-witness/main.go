// Command kubeadm-witness stands in kubeadm's place, notes each call and its
// end in a file, and runs the real one. Tests count there what really was
// called on a host, whatever the caller's own journal says.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	witnessed = "/usr/bin/kubeadm.real"
	calls     = "/var/log/kubeadm-calls.log"
	// Seconds by which a test makes each call longer, so that it can do
	// something while one is under way. Without the file there is no delay.
	delay = "/run/lab-kubeadm-delay"
)

// entry is one line of the log. A call without an end was cut off.
type entry struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"`
	PID   int       `json:"pid"`
	Argv  []string  `json:"argv"`
	Exit  *int      `json:"exit,omitempty"`
}

func main() {
	note("start", nil)
	wait()
	exit := call()
	note("end", &exit)
	os.Exit(exit)
}

func wait() {
	text, err := os.ReadFile(delay)
	if err != nil {
		return
	}
	if seconds, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8); err == nil {
		time.Sleep(time.Duration(seconds) * time.Second)
	}
}

func call() int {
	// The real one must not outlive its witness, and the kernel ties that to the
	// thread which started it.
	runtime.LockOSThread()
	real := exec.Command(witnessed, os.Args[1:]...)
	real.Args[0] = "kubeadm" // which program it is, it knows from this name
	real.Stdin, real.Stdout, real.Stderr = os.Stdin, os.Stdout, os.Stderr
	real.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := real.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "kubeadm-witness:", err)
		return 127
	}
	go passOn(real.Process)
	return code(real.Wait())
}

func passOn(process *os.Process) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	for received := range signals {
		_ = process.Signal(received)
	}
}

func code(err error) int {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &failed):
		return 127
	}
	if status, ok := failed.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return failed.ExitCode()
}

// note writes a line in one call, so that lines of calls at the same time do
// not mix. A full disk must not keep kubeadm from running.
func note(event string, exit *int) {
	line, err := json.Marshal(entry{Time: time.Now().UTC(), Event: event, PID: os.Getpid(), Argv: os.Args[1:], Exit: exit})
	if err == nil {
		err = appendLine(append(line, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubeadm-witness:", err)
	}
}

func appendLine(line []byte) error {
	file, err := os.OpenFile(calls, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(line)
	return err
}
