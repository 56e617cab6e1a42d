package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/waystation/waystation/internal/app"
	"github.com/waystation/waystation/internal/telemetry"
)

type repairCommand struct {
	File     string     `name:"config" help:"YAML file of serve's flags' names and values." placeholder:"FILE"`
	Settings app.Config `embed:""`
}

// Help is the long help of repair.
func (*repairCommand) Help() string {
	return "When a server refuses to start because the definitions of its queues are damaged: brings back what the log and " +
		"the journals still hold. Stop all servers first. Damaged files are moved aside, nothing is removed. " +
		"Takes the flags of serve; those that say where the log is matter."
}

// Run repairs the definitions and says what came of it.
func (c *repairCommand) Run(ctx context.Context, out io.Writer, stderr errOut) error {
	log, err := telemetry.NewLogger(stderr, c.Settings.Level(), c.Settings.LogFormat)
	if err != nil {
		return err
	}
	done, err := app.Repair(ctx, c.Settings, app.Options{Log: log})
	if errors.Is(err, app.ErrNothingToRepair) {
		_, err := fmt.Fprintln(out, "The definitions are whole: there is nothing to repair.")
		return err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Definitions now: %d, of them from the journals: %d. Entries that could not be read whole: %d.\n",
		done.Definitions, done.FromJournals, done.Damaged)
	if done.Aside != "" {
		fmt.Fprintf(out, "The damaged files are in %s; remove them when all is well.\n", done.Aside)
	}
	_, err = fmt.Fprintln(out, "Start the server. Queues that were never used, and changes of attributes that came shortly before the damage, may be lost.")
	return err
}
