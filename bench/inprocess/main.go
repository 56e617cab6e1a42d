package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"text/tabwriter"
)

// options are the flags of all scenarios.
type options struct {
	dir       string // parent of the temporary folder
	keep      string // replay: the folder of a former run
	size      int
	messages  int
	rounds    int
	callers   string
	deep      int
	blocked   int
	queues    int
	schedules int
	json      bool
}

// row is one line of the report.
type row struct {
	Scenario string             `json:"scenario"`
	Case     string             `json:"case"`
	Values   map[string]float64 `json:"values"`
	columns  []string
}

// report prints rows as they come.
type report struct {
	out  io.Writer
	json bool
}

func (r *report) add(scenario, name string, columns []string, values ...float64) {
	w := row{Scenario: scenario, Case: name, Values: map[string]float64{}, columns: columns}
	for i, c := range columns {
		w.Values[c] = values[i]
	}
	if r.json {
		json.NewEncoder(r.out).Encode(w)
		return
	}
	t := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%-12s\t%-34s", scenario, name)
	for i, c := range columns {
		fmt.Fprintf(t, "\t%s %s", number(values[i]), c)
	}
	fmt.Fprintln(t)
	t.Flush()
}

func number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.4g", v)
	}
}

var scenarios = map[string]func(context.Context, options, *report) error{
	"throughput": throughput,
	"depth":      depth,
	"memory":     memory,
	"replay":     replay,
	"queues":     queues,
	"endpoints":  endpoints,
	"publish":    publish,
	"rules":      rules,
	"schedules":  schedules,
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder on a real disk to put the temporary one into (default: the system's)")
	flag.StringVar(&o.keep, "data", "", "replay: folder with data, as left by a stopped server or memory -data")
	flag.IntVar(&o.size, "size", 1024, "bytes of a message's body")
	flag.IntVar(&o.messages, "messages", 100_000, "throughput: messages of a round, at most 110000")
	flag.IntVar(&o.rounds, "rounds", 5, "throughput: rounds, of which the median is printed")
	flag.StringVar(&o.callers, "callers", "1,64,256", "throughput: numbers of callers")
	flag.IntVar(&o.deep, "deep", 1_000_000, "depth, memory: messages in the deep queue")
	flag.IntVar(&o.blocked, "blocked", 100_000, "depth: messages of the blocked FIFO group")
	flag.IntVar(&o.queues, "queues", 1_000_000, "queues: how many to make, at least 2000")
	flag.IntVar(&o.schedules, "schedules", 1_000_000, "schedules: how many wait")
	flag.BoolVar(&o.json, "json", false, "print JSON lines")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: inprocess [flags] throughput|depth|memory|replay|queues|endpoints|publish|rules|schedules…\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := profiled(*profile, func() error { return perform(ctx, o, flag.Args()) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "inprocess:", err)
		os.Exit(1)
	}
}

// profiled runs work, with a CPU profile if a file is named.
func profiled(file string, work func() error) error {
	if file == "" {
		return work()
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = work()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

func perform(ctx context.Context, o options, names []string) error {
	if len(names) == 0 {
		names = []string{"throughput", "depth", "memory"}
	}
	if o.messages < 1 || o.messages > 110_000 {
		return fmt.Errorf("-messages must lie between 1 and 110000: more than 120000 cannot be in flight")
	}
	r := &report{out: os.Stdout, json: o.json}
	for _, name := range names {
		run := scenarios[name]
		if run == nil {
			return fmt.Errorf("there is no scenario %q, only throughput, depth, memory, replay, queues, endpoints, publish, rules and schedules", name)
		}
		if err := run(ctx, o, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (o options) body() string { return strings.Repeat("0123456789abcdef", o.size/16+1)[:o.size] }
