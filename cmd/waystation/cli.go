package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/waystation/waystation/internal/app"
	"github.com/waystation/waystation/internal/bench"
	"github.com/waystation/waystation/internal/demo"
)

// cli is the command line.
type cli struct {
	Serve      serveCommand      `cmd:"" help:"Run a server."`
	Demo       demo.Command      `cmd:"" help:"Watch orders flow through queues, with the real AWS SDK."`
	Bench      bench.Command     `cmd:"" help:"Put load on an SQS endpoint and measure it."`
	Repair     repairCommand     `cmd:"" help:"Bring back damaged definitions of queues."`
	Status     statusCommand     `cmd:"" help:"Show the state of a running server."`
	Deliveries deliveriesCommand `cmd:"" help:"Show what was pushed to HTTP endpoints, and try again what failed."`
	Explain    explainCommand    `cmd:"" help:"Say why a rule or subscription does not get an event."`
	Rules      rulesCommand      `cmd:"" help:"Try event patterns on archived events."`
	Completion completionCommand `cmd:"" help:"Print the script that completes commands and flags in a shell."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
	Help       helpCommand       `cmd:"" help:"Show this help, or that of a command."`

	ShowVersion versionFlag `name:"version" help:"Print the version."`
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(out io.Writer) error {
	_, err := io.WriteString(out, versionLine())
	return err
}

// versionFlag is versionCommand as a flag.
type versionFlag bool

// BeforeReset prints the version and ends; kong calls it before anything is checked.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	if _, err := io.WriteString(k.Stdout, versionLine()); err != nil {
		return err
	}
	k.Exit(0)
	return nil
}

// versionLine is what a report of a defect should begin with.
func versionLine() string {
	return fmt.Sprintf("waystation %s (%s, %s, %s/%s)\n", app.Version(), app.Commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// helpCommand is here for the list of commands only: arranged makes it --help.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"Command to show the help of."`
}

// errOut is where warnings and logs go; a type of its own for kong's bindings.
type errOut struct{ io.Writer }

func newParser(ctx context.Context, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("waystation"),
		kong.Description("Queues that speak the wire protocol of Amazon SQS, on a durable log."),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.Bind(errOut{stderr}),
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "server", Title: "Server"},
			{Key: "tls", Title: "HTTPS"},
			{Key: "nats", Title: "Log (NATS JetStream)"},
			{Key: "delivery", Title: "Pushing to HTTP endpoints"},
			{Key: "limits", Title: "Limits"},
			{Key: "operations", Title: "Operations"},
		}),
		kong.PostBuild(serveFlags),
		kong.Resolvers(&configFile{}),
	)
}

// serveFlags gives each flag of serve its environment variable, and its default
// from app.Default, so that defaults are written in one place.
func serveFlags(k *kong.Kong) error {
	defaults := app.DefaultKeys()
	for _, node := range k.Model.Children {
		if node.Name != "serve" && node.Name != "repair" {
			continue
		}
		for _, flag := range node.Flags {
			if flag.Name == "help" {
				continue
			}
			env := "WAYSTATION_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			flag.Envs, flag.Tag.Envs = []string{env}, []string{env}
			if value, ok := defaults[flag.Name]; ok {
				flag.Default, flag.HasDefault = value, true
			}
		}
	}
	return nil
}

// describe is the help of a flag: for those of serve with the default, and
// without the environment variable, which follows from the name.
func describe(value *kong.Value) string {
	env := value.Tag.Envs
	if len(env) == 0 || !strings.HasPrefix(env[0], "WAYSTATION_") {
		return kong.DefaultHelpValueFormatter(value)
	}
	if value.HasDefault && !strings.Contains(value.Help, "efault") {
		return value.Help + " Default: " + value.Default + "."
	}
	return value.Help
}

// configFile gives serve's flags the values of its --config file, unless the
// command line or the environment sets them.
type configFile struct {
	loaded bool
	keys   map[string]string
}

// Validate has nothing to check: the file is read only once its name is known.
func (*configFile) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value for a flag, nil when it has none.
func (f *configFile) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if selected := ctx.Selected(); selected == nil || selected.Name != "serve" || flag.Name == "help" {
		return nil, nil
	}
	if !f.loaded {
		path, err := configPath(ctx)
		if err != nil {
			return nil, err
		}
		if path != "" {
			if f.keys, err = app.ReadConfigFile(path); err != nil {
				return nil, configFileError{err}
			}
		}
		f.loaded = true
	}
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	if value, ok := f.keys[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}

// configFileError is one of the file, which the parser tells as if it were one of the
// first flag that the command line does not set.
type configFileError struct{ error }

// configPath finds the value of --config before kong has applied the flags.
func configPath(ctx *kong.Context) (string, error) {
	for _, flag := range ctx.Selected().Flags {
		if flag.Name == "config" {
			path, ok := ctx.FlagValue(flag).(string)
			if !ok {
				return "", fmt.Errorf("--config is not a file name")
			}
			return path, nil
		}
	}
	return "", nil
}
