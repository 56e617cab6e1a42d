package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/waystation/waystation/internal/app"
)

type deliveriesCommand struct {
	Endpoints   endpointsCommand   `cmd:"" default:"withargs" help:"List the endpoints and how they fare."`
	Attempts    attemptsCommand    `cmd:"" help:"List what was tried at an endpoint."`
	Undelivered undeliveredCommand `cmd:"" help:"List messages that were given up and have no dead-letter queue."`
	Retry       retryCommand       `cmd:"" help:"Try undelivered messages again: one, some or all."`
	Enable      enableCommand      `cmd:"" help:"Try an endpoint again that was disabled."`
}

// chosen are the attempts or messages that are asked for.
type chosen struct {
	Endpoint string        `arg:"" help:"ARN of the subscription or API destination."`
	Since    time.Duration `help:"Only of the last time: 2h." placeholder:"DURATION"`
	Message  string        `help:"Only of that message." placeholder:"ID"`
	Status   int           `help:"Only with that status." placeholder:"CODE"`
	Class    string        `help:"Only of that outcome: status, timeout, connect, tls, dns, forbidden, expired, disabled." placeholder:"CLASS"`
}

func (c *chosen) query() url.Values {
	q := url.Values{"endpoint": {c.Endpoint}}
	if c.Since > 0 {
		q.Set("since", time.Now().Add(-c.Since).UTC().Format(time.RFC3339))
	}
	if c.Message != "" {
		q.Set("message", c.Message)
	}
	if c.Class != "" {
		q.Set("class", c.Class)
	}
	if c.Status != 0 {
		q.Set("status", strconv.Itoa(c.Status))
	}
	return q
}

// listed prints a list that comes in pages.
type listed struct {
	operated
	JSON bool `name:"json" help:"Print the answers as JSON."`
}

func (l *listed) print(ctx context.Context, out io.Writer, q url.Values, head string, row func(w io.Writer, p *app.DeliveriesPage)) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	if !l.JSON {
		fmt.Fprintln(w, head)
	}
	q.Set("max", "1000")
	for {
		data, err := l.fetch(ctx, http.MethodGet, "/deliveries?"+q.Encode())
		if err != nil {
			return err
		}
		var p app.DeliveriesPage
		if err := json.Unmarshal(data, &p); err != nil {
			return fmt.Errorf("%s does not answer like a Waystation server: %w", l.URL, err)
		}
		if l.JSON {
			if _, err := out.Write(data); err != nil {
				return err
			}
		} else {
			row(w, &p)
		}
		if p.Next == "" {
			break
		}
		q.Set("from", p.Next)
	}
	return w.Flush()
}

type endpointsCommand struct{ listed }

// Run lists endpoints.
func (c *endpointsCommand) Run(ctx context.Context, out io.Writer) error {
	return c.print(ctx, out, url.Values{"list": {"endpoints"}}, "ENDPOINT\tADDRESS\tSTATE\tFAILING SINCE\tWAITING\tUNDELIVERED", func(w io.Writer, p *app.DeliveriesPage) {
		for _, e := range p.Endpoints {
			since := "-"
			if e.Since != nil {
				since = e.Since.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\n", e.Name, e.Address, e.State, since, e.Waiting+e.InFlight, e.Undelivered)
		}
	})
}

type attemptsCommand struct {
	listed
	chosen
	Failed bool `help:"Only those that failed."`
}

// Run lists attempts.
func (c *attemptsCommand) Run(ctx context.Context, out io.Writer) error {
	q := c.query()
	q.Set("list", "attempts")
	if c.Failed {
		q.Set("failed", "true")
	}
	return c.print(ctx, out, q, "TIME\tMESSAGE\tATTEMPT\tOUTCOME\tSTATUS\tTOOK\tANSWER", func(w io.Writer, p *app.DeliveriesPage) {
		for _, a := range p.Attempts {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", a.Time.Format(time.RFC3339), a.Message, a.Number, a.Class, code(a.Status),
				time.Duration(a.Seconds*float64(time.Second)).Round(time.Millisecond), line(a.Text))
		}
	})
}

type undeliveredCommand struct {
	listed
	chosen
}

// Run lists undelivered messages.
func (c *undeliveredCommand) Run(ctx context.Context, out io.Writer) error {
	q := c.query()
	q.Set("list", "undelivered")
	return c.print(ctx, out, q, "ID\tGIVEN UP\tMESSAGE\tATTEMPTS\tOUTCOME\tSTATUS\tANSWER", func(w io.Writer, p *app.DeliveriesPage) {
		for _, u := range p.Undelivered {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", u.ID, u.Time.Format(time.RFC3339), u.Message, u.Attempts, u.Class, code(u.Status), line(u.Text))
		}
	})
}

type retryCommand struct {
	operated
	chosen
	ID []string `name:"id" help:"Only these, by the ids that undelivered shows." placeholder:"ID"`
}

// Run has messages tried again.
func (c *retryCommand) Run(ctx context.Context, out io.Writer) error {
	q := c.query()
	q.Set("do", "retry")
	q["id"] = c.ID
	data, err := c.fetch(ctx, http.MethodPost, "/deliveries?"+q.Encode())
	if err != nil {
		return err
	}
	var p app.DeliveriesPage
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("%s does not answer like a Waystation server: %w", c.URL, err)
	}
	_, err = fmt.Fprintf(out, "%d messages are tried again\n", p.Retried)
	return err
}

type enableCommand struct {
	operated
	Endpoint string `arg:"" help:"ARN of the subscription or API destination."`
}

// Run enables an endpoint.
func (c *enableCommand) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"do": {"enable"}, "endpoint": {c.Endpoint}}
	if _, err := c.fetch(ctx, http.MethodPost, "/deliveries?"+q.Encode()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "enabled")
	return err
}

func code(status int) string {
	if status == 0 {
		return "-"
	}
	return strconv.Itoa(status)
}

// line is the beginning of a text that came from somewhere else, fit for a terminal.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}
