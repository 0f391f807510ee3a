// Command kubeadm-witness stands in kubeadm's place, notes each call and its
// end in a file, and runs the real one. Tests count there what really was
// called on a host, whatever the caller's own journal says. On demand it behaves
// as kubeadm does on a bad day: it hangs, lies or fails.
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
	// A bad day: in each line how, and the words of the calls that it befalls, as
	// in "hang-after upgrade apply". Without the file all days are good.
	moods = "/run/lab-kubeadm-mood"
)

// What can go wrong with a call. The log has its true end all the same.
const (
	hangBefore = "hang-before" // it never does anything
	hangAfter  = "hang-after"  // all is done, and it does not end
	lie        = "lie"         // 0, and nothing was done
	failAfter  = "fail-after"  // 1, and all was done
	failBefore = "fail-before" // 1, and nothing was done
	garble     = "garble"      // all is done, and what it says is no text
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
	exit := inMood(mood(os.Args[1:]))
	note("end", &exit)
	os.Exit(exit)
}

func inMood(how string) int {
	switch how {
	case hangBefore:
		hang()
	case hangAfter:
		call(os.Stdout)
		hang()
	case lie:
		return 0
	case failBefore:
		fmt.Fprintln(os.Stderr, "error: something is wrong")
		return 1
	case failAfter:
		call(os.Stdout)
		fmt.Fprintln(os.Stderr, "error: something is wrong")
		return 1
	case garble:
		fmt.Printf("\xff\xfe\x00%s\n", strings.Repeat("\x1b[31m{\xc3(", 20000))
		return call(nil)
	}
	return call(os.Stdout)
}

// hang ends with the process: who called is to stop it.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// mood finds what is to befall a call, by its words without flags.
func mood(argv []string) string {
	text, err := os.ReadFile(moods)
	if err != nil {
		return ""
	}
	var words []string
	for _, word := range argv {
		if strings.HasPrefix(word, "-") {
			break
		}
		words = append(words, word)
	}
	for _, line := range strings.Split(string(text), "\n") {
		of := strings.Fields(line)
		if len(of) > 1 && len(of)-1 <= len(words) && strings.Join(of[1:], " ") == strings.Join(words[:len(of)-1], " ") {
			return of[0]
		}
	}
	return ""
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

// call runs the real one; what it says goes to out.
func call(out *os.File) int {
	// The real one must not outlive its witness, and the kernel ties that to the
	// thread which started it.
	runtime.LockOSThread()
	real := exec.Command(witnessed, os.Args[1:]...)
	real.Args[0] = "kubeadm" // which program it is, it knows from this name
	real.Stdin, real.Stderr = os.Stdin, os.Stderr
	if out != nil {
		real.Stdout = out
	}
	real.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := real.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "kubeadm-witness:", err)
		return 127
	}
	go passOn(real.Process)
	// From its end on, signals are the witness's own again.
	defer signal.Reset()
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
