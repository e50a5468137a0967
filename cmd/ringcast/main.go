package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ringcast/ringcast/config"
)

// The exit statuses. They are part of the command's contract with scripts.
const (
	exitOK       = 0
	exitFailure  = 1 // unexpected
	exitUsage    = 2 // usage or configuration
	exitAddress  = 4 // an address or a permission
	exitAuth     = 5 // authentication
	exitNoStream = 6 // no such group or stream in time
	exitDeadline = 7 // a stop that hit its deadline
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, os.Environ()))
}

// run executes the command line and returns the exit status.
func run(args []string, stdout, stderr io.Writer, environ []string) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		stop()
		first := time.Now()
		for range signals {
			if time.Since(first) > sameSignal {
				os.Exit(exitDeadline) // whoever asks twice does not want to wait
			}
		}
	}()

	root := newRootCommand(&invocation{stdout: stdout, stderr: stderr, environ: environ})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "ringcast:", err)
	}
	return exitStatus(err)
}

// sameSignal is how close two signals are that count as one: timeout(1) and
// some shells signal a process both by itself and with its group.
const sameSignal = 200 * time.Millisecond

// invocation is what commands get from the world outside.
type invocation struct {
	stdout, stderr io.Writer
	environ        []string
}

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// exitStatus finds the exit status that an error calls for.
func exitStatus(err error) int {
	var status *statusError
	var setting *config.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.status
	case errors.As(err, &setting):
		return exitUsage
	}
	return exitFailure
}

// usageError marks an error as one of usage or configuration.
func usageError(err error) error { return &statusError{exitUsage, err} }
