package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strings"
)

// Report is the JSON document of --json; stored, it is a baseline.
type Report struct {
	Format      int          `json:"format"` // 1
	System      string       `json:"system"` // "linux/amd64, 2 CPUs"
	Results     []*Result    `json:"results"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
}

const reportFormat = 1

func newReport() *Report {
	return &Report{
		Format: reportFormat,
		System: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
	}
}

func (r *Report) write(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func readReport(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the baseline: %w", err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("the baseline %s is not a report of bench --json: %w", path, err)
	}
	if r.Format != reportFormat {
		return nil, fmt.Errorf("the baseline %s has format %d, this program reads %d: record it again", path, r.Format, reportFormat)
	}
	return &r, nil
}

// Change compares one scenario with the baseline: Ratio is now / then, of the
// ratio to the other endpoint where both reports have one (Relative), otherwise
// of the throughput, which means something on the same machine only.
type Change struct {
	Scenario  string
	Relative  bool
	Now, Then float64
	Ratio     float64
}

// against returns the changes of the scenarios that both reports have.
func (r *Report) against(then *Report) []Change {
	var list []Change
	seen := map[string]bool{}
	note := func(scenario string, relative bool, now, before float64) {
		if before > 0 && !seen[scenario] {
			seen[scenario] = true
			list = append(list, Change{scenario, relative, now, before, now / before})
		}
	}
	for _, now := range r.Comparisons {
		for _, before := range then.Comparisons {
			if now.Scenario == before.Scenario {
				note(now.Scenario, true, now.Throughput, before.Throughput)
			}
		}
	}
	for _, now := range r.Results {
		for _, before := range then.Results {
			if now.Scenario == before.Scenario && now.Size == before.Size {
				note(now.Scenario, false, now.PerSecond, before.PerSecond)
				break
			}
		}
	}
	return list
}

// worse returns an error that names the changes beyond the tolerance.
func worse(list []Change, tolerance float64) error {
	var bad []string
	for _, c := range list {
		if c.Ratio < 1-tolerance {
			bad = append(bad, fmt.Sprintf("%s at %.0f %%", c.Scenario, c.Ratio*100))
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("slower than the baseline: %s", strings.Join(bad, ", "))
	}
	return nil
}

// printer writes results as text.
type printer struct {
	out   io.Writer
	quiet bool
}

func (p printer) printf(format string, args ...any) {
	if !p.quiet {
		fmt.Fprintf(p.out, format, args...)
	}
}

func (p printer) result(r *Result) {
	p.printf("%s  %s  %d connections  %s B\n", r.Scenario, r.Endpoint, r.Connections, thousands(int64(r.Size)))
	if r.Interrupted {
		p.printf("  interrupted: this is what there was until then\n")
	}
	if r.Messages > 0 {
		p.printf("  %s messages/s  (%s messages, %s requests in %.1f s)\n",
			thousands(int64(r.PerSecond)), thousands(r.Messages), thousands(r.Requests), r.Seconds)
	}
	if len(r.Latency) > 0 {
		width := 0
		for _, l := range r.Latency {
			width = max(width, len(l.Operation))
		}
		p.printf("  %-*s %10s %9s %9s %9s %9s %9s  ms\n", width, "", "count", "p50", "p90", "p99", "p99.9", "max")
		for _, l := range r.Latency {
			p.printf("  %-*s %10s %9.2f %9.2f %9.2f %9.2f %9.2f\n",
				width, l.Operation, thousands(l.Count), l.P50, l.P90, l.P99, l.P999, l.Max)
		}
	}
	for _, f := range r.Figures {
		p.printf("  %s: %s\n", f.Name, strings.TrimSpace(fmt.Sprintf("%.3g %s", f.Value, f.Unit)))
	}
	if r.Server != nil {
		p.usage("server", r.Server.Cores, r)
		p.printf(", %.0f MiB resident\n", r.Server.ResidentMiB)
	}
	if r.Client > 0 {
		p.usage("client", r.Client, r)
		p.printf("\n")
	}
	codes := make([]string, 0, len(r.Errors))
	for code := range r.Errors {
		codes = append(codes, code)
	}
	sort.Strings(codes)
	for _, code := range codes {
		p.printf("  error %s: %s\n", code, thousands(r.Errors[code]))
	}
	p.printf("\n")
}

func (p printer) usage(who string, cores float64, r *Result) {
	p.printf("  %s: %.2f cores", who, cores)
	if len(r.Latency) > 0 {
		p.printf(", %.0f µs of CPU a request", cores*r.Seconds/float64(r.Requests)*1e6)
	}
}

func (p printer) comparison(c Comparison) {
	p.printf("%s  %s / %s\n  throughput %.2f×  (rounds %.2f to %.2f)", c.Scenario, c.Endpoint, c.Other, c.Throughput, c.Low, c.High)
	if c.Operation != "" {
		p.printf("   %s p50 %.2f×, p99 %.2f×", c.Operation, c.P50, c.P99)
	}
	p.printf("\n\n")
}

func (p printer) changes(list []Change) {
	if len(list) == 0 {
		p.printf("nothing to compare with in the baseline\n")
	}
	for _, c := range list {
		if c.Relative {
			p.printf("baseline  %-14s %.2f× then, %.2f× now: %.0f %%\n", c.Scenario, c.Then, c.Now, c.Ratio*100)
		} else {
			p.printf("baseline  %-14s %s messages/s then, %s now: %.0f %%\n",
				c.Scenario, thousands(int64(c.Then)), thousands(int64(c.Now)), c.Ratio*100)
		}
	}
}

// thousands groups digits: 1234567 -> "1,234,567".
func thousands(n int64) string {
	s := fmt.Sprint(n)
	start := len(s) % 3
	if n < 0 {
		start = 1 + (len(s)-1)%3
	}
	var b strings.Builder
	b.WriteString(s[:start])
	for i := start; i < len(s); i += 3 {
		if b.Len() > 0 && s[:i] != "-" {
			b.WriteByte(',')
		}
		b.WriteString(s[i : i+3])
	}
	return b.String()
}
