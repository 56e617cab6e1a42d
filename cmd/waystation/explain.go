package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/waystation/waystation/internal/app"
)

type explainCommand struct {
	operated
	Name  string `arg:"" help:"ARN of the rule or subscription."`
	Event string `required:"" help:"File with the event; for a subscription with the message's body, or with its attributes as the AWS CLI takes them; - is standard input." placeholder:"FILE"`
}

// Run says whether the rule or subscription gets the event, and if not, why. The event
// stays here: the server is asked for the definition only.
func (c *explainCommand) Run(ctx context.Context, out io.Writer) error {
	event, err := readFile(c.Event)
	if err != nil {
		return err
	}
	data, err := c.fetch(ctx, http.MethodGet, "/explain?"+url.Values{"name": {c.Name}}.Encode())
	if err != nil {
		return err
	}
	var p app.ExplainPage
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("%s does not answer like a Waystation server: %w", c.URL, err)
	}
	why, err := p.Explain(event)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, why)
	return err
}
