package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/waystation/waystation/internal/app"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/telemetry"
)

type serveCommand struct {
	File     string     `name:"config" help:"YAML file with these flags: their names as keys." placeholder:"FILE"`
	Settings app.Config `embed:""`
}

// Help is the long help of serve.
func (*serveCommand) Help() string {
	return "Each flag has an environment variable too (WAYSTATION_ and its name in capitals, with _ for -) " +
		"and a key of its name in the --config file. A flag wins over the environment, the environment over the file."
}

// Run serves until a signal. The settings were validated by kong.
func (c *serveCommand) Run(ctx context.Context, kctx *kong.Context, out io.Writer, stderr errOut) error {
	log, err := telemetry.NewLogger(stderr, c.Settings.Level(), c.Settings.LogFormat)
	if err != nil {
		return err
	}
	for _, name := range unknownEnv(os.Environ(), knownEnv(kctx.Model.Node)) {
		log.Warn("unknown environment variable, it has no effect", logkey.Resource, name)
	}
	reload, stop := onHangup()
	defer stop()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), app.ErrInterrupted) {
			log.Info("stopping: requests in flight are finished; Ctrl-C once more ends the process at once")
		}
	})()
	return app.Run(ctx, c.Settings, app.Options{Log: log, Reload: reload, Listening: func(b app.Banner) {
		if c.Settings.LogFormat == "json" { // for programs: nothing but lines of JSON
			log.Info("listening", b.Attributes()...)
			return
		}
		if err := b.Write(out); err != nil {
			log.Warn("cannot write the banner", logkey.Error, err)
		}
	}})
}

// onHangup turns each SIGHUP into a request to read the keys file again. Without a
// handler the signal would end the process.
func onHangup() (reload <-chan struct{}, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	asked, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
			case <-done:
				return
			}
			select {
			case asked <- struct{}{}:
			default: // one that is still to be done will do for both
			}
		}
	}()
	return asked, func() { signal.Stop(signals); close(done) }
}

// knownEnv returns the environment variables of all flags.
func knownEnv(node *kong.Node) []string {
	var names []string
	for _, flag := range node.Flags {
		names = append(names, flag.Envs...)
	}
	for _, child := range node.Children {
		names = append(names, knownEnv(child)...)
	}
	return names
}

// unknownEnv returns the WAYSTATION_ variables that are not known, without
// values. Those that Kubernetes sets for a service called waystation are left out.
func unknownEnv(environ, known []string) []string {
	var unknown []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		rest, ours := strings.CutPrefix(name, "WAYSTATION_")
		if !ours || slices.Contains(known, name) ||
			strings.HasPrefix(rest, "SERVICE_") || rest == "PORT" || strings.HasPrefix(rest, "PORT_") {
			continue
		}
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	return unknown
}
