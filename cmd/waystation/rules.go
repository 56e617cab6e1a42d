package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/app"
	"github.com/waystation/waystation/internal/pattern"
)

type rulesCommand struct {
	Test rulesTestCommand `cmd:"" help:"Try an event pattern on archived events, before a rule gets it."`
}

type rulesTestCommand struct {
	operated
	Pattern  string        `required:"" help:"File with the event pattern; - is standard input." placeholder:"FILE"`
	Archive  string        `help:"ARN of the archive. Default: the only one there is." placeholder:"ARN"`
	Since    time.Duration `default:"24h" help:"Only events of the last time." placeholder:"DURATION"`
	Examples int           `default:"3" help:"How many matching events to print." placeholder:"N"`
	Explain  bool          `help:"Say of as many that do not match why."`
}

// Run tries the pattern. The events come page by page, and are matched here.
func (c *rulesTestCommand) Run(ctx context.Context, out io.Writer) error {
	text, err := readFile(c.Pattern)
	if err != nil {
		return err
	}
	p, err := pattern.Compile(pattern.Events, text)
	if err != nil {
		return fmt.Errorf("the pattern is not valid: %w", err)
	}
	archive, err := c.archive(ctx)
	if err != nil {
		return err
	}
	q := url.Values{"archive": {archive}, "since": {time.Now().Add(-c.Since).UTC().Format(time.RFC3339)}}
	all, matching, explained := 0, 0, 0
	for {
		page, err := c.page(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			all++
			ok, err := p.Match(e)
			if err == nil && ok {
				if matching++; matching <= c.Examples {
					fmt.Fprintf(out, "matches: %s\n", e)
				}
				continue
			}
			if explained++; c.Explain && explained <= c.Examples {
				fmt.Fprintf(out, "does not match: %s\n  %s\n", e, p.Explain(e))
			}
		}
		if page.Next == "" {
			break
		}
		q.Set("from", page.Next)
	}
	_, err = fmt.Fprintf(out, "%d of %d events of %s match.\n", matching, all, archive)
	return err
}

// archive is the one that is asked for, or the only one.
func (c *rulesTestCommand) archive(ctx context.Context) (string, error) {
	if c.Archive != "" {
		return c.Archive, nil
	}
	page, err := c.page(ctx, nil)
	switch {
	case err != nil:
		return "", err
	case len(page.Archives) == 0:
		return "", errors.New("there is no archive: make one with aws events create-archive")
	case len(page.Archives) > 1:
		return "", fmt.Errorf("there are several archives, choose one with --archive:\n  %s", strings.Join(page.Archives, "\n  "))
	}
	return page.Archives[0], nil
}

func (c *rulesTestCommand) page(ctx context.Context, q url.Values) (p app.ArchivedPage, err error) {
	data, err := c.fetch(ctx, http.MethodGet, "/archived?"+q.Encode())
	if err == nil && json.Unmarshal(data, &p) != nil {
		err = fmt.Errorf("%s does not answer like a Waystation server", c.URL)
	}
	return p, err
}

// maxFile bounds files that are read whole, in bytes: no message is larger.
const maxFile = 1 << 20

// readFile reads a file, - is standard input.
func readFile(name string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s has more than 1 MiB, which no message has", name)
	}
	return b, err
}
