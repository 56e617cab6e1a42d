package bench

import (
	"context"
	"fmt"
	"sort"
	"time"
)

// side is one of the endpoints of a run.
type side struct {
	ep   *endpoint
	pid  int
	bare bool
}

// sides returns the endpoints to measure, one or two.
func (c *Command) sides(ctx context.Context) ([]side, func(), error) {
	cred := Credentials{Key: c.Key, Secret: c.Secret, Token: c.SessionToken, Region: c.Region}
	ep, err := newEndpoint(c.Endpoint, cred)
	if err != nil {
		return nil, nil, err
	}
	list, stop := []side{{ep: ep, pid: c.PID}}, func() {}
	switch {
	case c.Compare != "":
		other, err := newEndpoint(c.Compare, cred)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, side{ep: other, pid: c.ComparePID})
	case c.Bare:
		r := c.round(list[0], "probe")
		size, err := probe(ctx, r)
		r.admin.close()
		if err != nil {
			return nil, nil, err
		}
		var url string
		var pid int
		if url, pid, stop, err = startBare(ctx, size); err != nil {
			return nil, nil, err
		}
		other, err := newEndpoint(url, cred)
		if err != nil {
			stop()
			return nil, nil, err
		}
		if c.PID == 0 {
			pid = 0 // usage is wanted of both or of none
		}
		list = append(list, side{ep: other, pid: pid, bare: true})
	}
	return list, stop, nil
}

func (c *Command) round(s side, name string) *round {
	return &round{
		opt: c, ep: s.ep, name: name, pid: s.pid, bare: s.bare, admin: s.ep.open(),
		duration: c.Duration, count: c.Count,
	}
}

// minRound is the shortest round of a comparison: shorter ones measure noise.
const minRound = time.Second

// measure runs one scenario against every side: once if there is one, in
// alternating rounds (AB, BA, AB…) if there are two.
func (c *Command) measure(ctx context.Context, s scenario, sides []side) ([]*Result, error) {
	results := make([]*Result, len(sides))
	for i := range results {
		results[i] = &Result{}
	}
	rounds := 1
	if len(sides) > 1 && s.name != "depth" && s.name != "idle-polls" {
		rounds = c.Rounds
	}
	for n := range rounds {
		for k := range sides {
			i := (k + n) % len(sides)
			r := c.round(sides[i], s.name)
			if rounds > 1 {
				r.duration = max(min(minRound, c.Duration), c.Duration/time.Duration(rounds))
			}
			res, err := s.run(ctx, r)
			r.admin.close()
			if res != nil {
				results[i].add(res)
			}
			if err != nil {
				return results, fmt.Errorf("%s against %s: %w", s.name, sides[i].ep.url, err)
			}
		}
	}
	return results, nil
}

// Comparison gives the ratios of the first endpoint to the second. Throughput is
// the median of the ratios of neighbouring rounds, Low and High their range;
// P50 and P99 compare the latency end to end, or else of the first kind of request
// (below 1: faster).
type Comparison struct {
	Scenario   string  `json:"scenario"`
	Endpoint   string  `json:"endpoint"`
	Other      string  `json:"other"`
	Throughput float64 `json:"throughput"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Operation  string  `json:"operation,omitempty"`
	P50        float64 `json:"p50,omitempty"`
	P99        float64 `json:"p99,omitempty"`
}

func compare(a, b *Result) Comparison {
	c := Comparison{Scenario: a.Scenario, Endpoint: a.Endpoint, Other: b.Endpoint}
	var ratios []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		if b.Rounds[i] > 0 {
			ratios = append(ratios, a.Rounds[i]/b.Rounds[i])
		}
	}
	if len(ratios) > 0 {
		sort.Float64s(ratios)
		c.Low, c.High = ratios[0], ratios[len(ratios)-1]
		mid := len(ratios) / 2
		c.Throughput = ratios[mid]
		if len(ratios)%2 == 0 {
			c.Throughput = (ratios[mid-1] + ratios[mid]) / 2
		}
	}
	for _, x := range a.Latency {
		for _, y := range b.Latency {
			if x.Operation == y.Operation && y.P50 > 0 && y.P99 > 0 && (c.Operation == "" || x.Operation == "end to end") {
				c.Operation, c.P50, c.P99 = x.Operation, x.P50/y.P50, x.P99/y.P99
			}
		}
	}
	return c
}
