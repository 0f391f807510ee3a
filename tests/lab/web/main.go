// Command web is a small server of the lab's own, for two purposes. As an
// application in pods it answers with its own name and ends as a good one does:
// what it was asked before its end is answered, and meanwhile it says that it is
// not ready. With a folder as its word it serves the files in there, as a mirror
// of packages does.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	address = ":8080"
	// Longer than any answer takes.
	patience = 10 * time.Second
)

func main() {
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	server := &http.Server{Addr: address, Handler: handler(ending), ReadHeaderTimeout: patience}
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		<-ending.Done()
		over.Store(true)
		last, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(last)
		close(done)
	}()
	if err := server.ListenAndServe(); !over.Load() {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
	<-done
}

func handler(ending context.Context) http.Handler {
	if len(os.Args) > 1 {
		return http.FileServer(http.Dir(os.Args[1]))
	}
	mux := http.NewServeMux()
	name, _ := os.Hostname()
	mux.HandleFunc("/ready", func(answer http.ResponseWriter, _ *http.Request) {
		if ending.Err() != nil {
			http.Error(answer, "ending", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(answer, "ready")
	})
	mux.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(answer, name) })
	return mux
}
