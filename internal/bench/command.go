package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Command is "waystation bench": its flags and arguments.
type Command struct {
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"What to run: send, batch, receive-delete, end-to-end, fifo (these by default), mixed, depth, idle-polls."`

	Endpoint     string `help:"URL of the SQS endpoint." default:"http://127.0.0.1:4566"`
	Key          string `help:"Access key." default:"bench" env:"AWS_ACCESS_KEY_ID"`
	Secret       string `help:"Secret key." default:"bench" env:"AWS_SECRET_ACCESS_KEY"`
	SessionToken string `placeholder:"TOKEN" help:"Session token, for temporary credentials." env:"AWS_SESSION_TOKEN"`
	Region       string `help:"Region to sign for." default:"us-east-1" env:"AWS_REGION"`
	Queue        string `help:"Prefix of the names of the queues that are made and deleted." default:"waystation-bench"`

	Connections int           `short:"c" help:"Connections, each with one request at a time." default:"64"`
	Duration    time.Duration `short:"d" help:"Measured time of each scenario." default:"10s"`
	Warmup      time.Duration `help:"Time before the measurement of each round." default:"1s"`
	Count       int64         `short:"n" placeholder:"N" help:"Stop each scenario after so many messages instead of after --duration."`
	Size        int           `short:"s" help:"Bytes of a message's body." default:"1024"`
	Rate        float64       `placeholder:"N" help:"Messages a second to send, paced; 0: as fast as answers come (end-to-end: 1000)."`
	Batch       int           `help:"Messages of a batch." default:"10"`
	Groups      int           `help:"Message groups in the fifo scenario." default:"64"`
	Fill        int           `help:"Messages to receive in the receive-delete scenario." default:"20000"`
	Depths      []int         `help:"Depths for the depth scenario." default:"1000,100000"`
	Blocked     int           `help:"Messages of the blocked FIFO group in the depth scenario; 0 leaves it out." default:"100000"`
	Polls       int           `help:"Long polls in the idle-polls scenario." default:"10000"`

	PID        int    `name:"pid" placeholder:"PID" help:"Process of the server on this machine: its CPU time and memory are reported."`
	Compare    string `placeholder:"URL" help:"A second endpoint: both run in turn, and ratios are printed."`
	ComparePID int    `name:"compare-pid" placeholder:"PID" help:"Process of the second endpoint's server."`
	Bare       bool   `help:"Compare with a bare net/http handler in a process of its own (send and batch only)."`
	Rounds     int    `help:"Alternating rounds of a comparison; each takes its part of --duration." default:"5"`

	JSON      bool    `name:"json" help:"Print one JSON document instead of text."`
	Baseline  string  `placeholder:"FILE" type:"path" help:"Compare with results stored by --json; fail if they are worse."`
	Tolerance float64 `help:"How much worse than the baseline is still accepted, as a fraction." default:"0.2"`

	ServeBare  string `hidden:"" placeholder:"ADDR" help:"Serve the bare handler."`
	BareAnswer int    `hidden:"" default:"100" help:"Size of the bare handler's answers."`
}

// Bounds of the flags.
const (
	maxConnections = 10_000
	maxPolls       = 25_000 // local ports are finite
	maxDepth       = 10_000_000
)

// Validate checks the flags; kong calls it.
func (c *Command) Validate() error {
	within := func(name string, v, least, most int) error {
		if v < least || v > most {
			return fmt.Errorf("--%s must lie between %d and %d", name, least, most)
		}
		return nil
	}
	errs := []error{
		within("connections", c.Connections, 1, maxConnections),
		within("size", c.Size, smallest, largest),
		within("batch", c.Batch, 1, 10),
		within("groups", c.Groups, 1, 9999),
		within("fill", c.Fill, 100, maxDepth),
		within("blocked", c.Blocked, 0, maxDepth),
		within("polls", c.Polls, 1, maxPolls),
		within("rounds", c.Rounds, 1, 100),
		within("bare-answer", c.BareAnswer, 0, largest),
	}
	for _, d := range c.Depths {
		errs = append(errs, within("depths", d, 1, maxDepth))
	}
	if c.Duration < 100*time.Millisecond || c.Duration > time.Hour {
		errs = append(errs, errors.New("--duration must lie between 100ms and 1h"))
	}
	if c.Warmup < 0 || c.Warmup > time.Minute {
		errs = append(errs, errors.New("--warmup must lie between 0 and 1m"))
	}
	if c.Rate < 0 || c.Count < 0 || c.Tolerance < 0 {
		errs = append(errs, errors.New("--rate, --count and --tolerance cannot be negative"))
	}
	if c.Bare && c.Compare != "" {
		errs = append(errs, errors.New("--bare and --compare exclude each other"))
	}
	for _, name := range c.Scenarios {
		if _, ok := findScenario(name); !ok {
			errs = append(errs, fmt.Errorf("there is no scenario %q; there are %s", name, names()))
		} else if c.Bare && name != "send" && name != "batch" {
			errs = append(errs, fmt.Errorf("--bare compares send and batch, not %s", name))
		}
	}
	return errors.Join(errs...)
}

func names() string {
	var list []string
	for _, s := range scenarios {
		list = append(list, s.name)
	}
	return strings.Join(list, ", ")
}

// chosen returns the scenarios to run.
func (c *Command) chosen() []scenario {
	var list []scenario
	for _, s := range scenarios {
		switch {
		case len(c.Scenarios) == 0 && (s.name == "send" || s.usual && !c.Bare):
			list = append(list, s)
		default:
			for _, name := range c.Scenarios {
				if name == s.name {
					list = append(list, s)
					break
				}
			}
		}
	}
	return list
}

// Run performs the scenarios and writes the report to out. When ctx is cancelled it
// writes what there is until then. It returns an error
// if an endpoint cannot be used, if FIFO order was broken, or if the results
// fall behind the baseline.
func (c *Command) Run(ctx context.Context, out io.Writer) error {
	if c.ServeBare != "" {
		return serveBare(ctx, out, c.ServeBare, c.BareAnswer)
	}
	var baseline *Report
	if c.Baseline != "" {
		var err error
		if baseline, err = readReport(c.Baseline); err != nil {
			return err
		}
	}
	sides, stop, err := c.sides(ctx)
	if err != nil {
		return err
	}
	defer stop()

	report := newReport()
	p := printer{out: out, quiet: c.JSON}
	single := map[string]float64{} // rate of send by endpoint
	for _, s := range c.chosen() {
		results, err := c.measure(ctx, s, sides)
		for _, r := range results {
			if r.counts == nil {
				continue
			}
			if s.name == "send" {
				single[r.Endpoint] = r.PerSecond
			} else if base := single[r.Endpoint]; s.name == "batch" && base > 0 {
				r.Figures = append(r.Figures, Figure{"messages, times those of send", r.PerSecond / base, "×"})
			}
			report.Results = append(report.Results, r)
			p.result(r)
		}
		if err != nil {
			if ctx.Err() != nil && c.JSON {
				err = errors.Join(err, report.write(out)) // what there is
			}
			return err
		}
		if len(results) == 2 {
			cmp := compare(results[0], results[1])
			report.Comparisons = append(report.Comparisons, cmp)
			p.comparison(cmp)
		}
	}
	if c.JSON {
		if err := report.write(out); err != nil {
			return err
		}
	}
	if baseline != nil {
		changes := report.against(baseline)
		p.changes(changes)
		return worse(changes, c.Tolerance)
	}
	return nil
}
