// Command waystation is the server and its tools; see waystation --help.
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

	"github.com/alecthomas/kong"

	"github.com/waystation/waystation/internal/app"
)

func main() {
	ctx, stop := onSignals(context.Background(), os.Exit, time.Now)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// oneSignal is how long further signals count as the same one: supervisors and
// terminals send it to a process and to its group, which is twice.
const oneSignal = time.Second

// onSignals returns a context that the first SIGINT or SIGTERM cancels, SIGINT with
// app.ErrInterrupted as the cause. A SIGINT that comes later than oneSignal after
// it ends the process at once with 130; SIGTERM never does: a server that is asked
// to stop twice still finishes what it has begun.
func onSignals(ctx context.Context, exit func(int), now func() time.Time) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			var s os.Signal
			select {
			case s = <-signals:
			case <-done:
				return
			}
			switch {
			case first.IsZero():
				first = now()
				if s == syscall.SIGINT {
					cancel(app.ErrInterrupted)
				} else {
					cancel(nil)
				}
			case s == syscall.SIGINT && now().Sub(first) > oneSignal:
				exit(130)
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// interrupted is the exit code of a command that a signal broke off, as shells
// have it.
const interrupted = 130

// run parses the arguments, runs the command and returns the exit code: 0, 1
// when the command failed, 2 when the arguments are wrong, 130 when a signal broke
// it off. A server that stops because it is asked to has done its work: 0.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	type exited int // unwinds kong's --help
	code := -1
	parser, err := newParser(ctx, stdout, stderr, func(c int) { panic(exited(c)) })
	if err != nil {
		fmt.Fprintln(stderr, "waystation:", err)
		return 2
	}
	func() {
		defer func() {
			if r := recover(); r != nil {
				c, ok := r.(exited)
				if !ok {
					panic(r)
				}
				code = int(c)
			}
		}()
		kctx, err := parser.Parse(arranged(args))
		if err != nil {
			fmt.Fprintln(stderr, "waystation:", plain(err, args))
			if pe := (*kong.ParseError)(nil); errors.As(err, &pe) {
				fmt.Fprintln(stderr, "For the commands see waystation --help, for their flags waystation COMMAND --help.")
			}
			code = 2
			return
		}
		err = kctx.Run()
		switch {
		case ctx.Err() != nil && kctx.Selected().Name != "serve":
			fmt.Fprintln(stderr, "waystation: interrupted")
			code = interrupted
		case err != nil:
			fmt.Fprintln(stderr, "waystation:", err)
			code = 1
		default:
			code = 0
		}
	}()
	return code
}
