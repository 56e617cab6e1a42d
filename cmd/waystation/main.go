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

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := onSignals(context.Background(), os.Stderr, os.Exit)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// onSignals returns a context that the first SIGINT or SIGTERM cancels; the
// second one ends the process at once with 130.
func onSignals(ctx context.Context, stderr io.Writer, exit func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
			case <-done:
				return
			}
			if n > 0 {
				exit(130)
				return
			}
			fmt.Fprintln(stderr, "\nStopping: requests in flight are finished. Once more stops at once.")
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// run parses the arguments, runs the command and returns the exit code: 0, 1
// when the command failed, 2 when the arguments are wrong.
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
		if len(args) == 0 {
			args = []string{"--help"}
		}
		kctx, err := parser.Parse(args)
		if err != nil {
			fmt.Fprintln(stderr, "waystation:", err)
			if pe := (*kong.ParseError)(nil); errors.As(err, &pe) {
				fmt.Fprintln(stderr, "waystation --help tells the commands, waystation COMMAND --help their flags.")
			}
			code = 2
			return
		}
		if err := kctx.Run(); err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(stderr, "waystation:", err)
			code = 1
			return
		}
		code = 0
	}()
	return code
}
