package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// Kinds of patterns, as an ExplainPage says them.
const (
	EventPattern     = "event pattern"
	AttributesPolicy = "filter policy of attributes"
	BodyPolicy       = "filter policy of the body"
)

// ExplainPage is what /explain answers, in JSON: what decides which messages a rule or a
// subscription gets.
type ExplainPage struct {
	Name string `json:"name"` // ARN
	Kind string `json:"kind"`
	// Pattern as JSON; "": it is not about what a message holds (a subscription without a
	// filter policy gets all, a rule with a schedule alone none).
	Pattern string `json:"pattern,omitempty"`
	// Stopped says why it gets nothing whatever the message holds; "": it does.
	Stopped string `json:"stopped,omitempty"`
}

// explainPath is the page's.
const explainPath = "/explain"

// explainPage gives what decides for the rule or subscription whose ARN is asked for.
func (a *App) explainPage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := a.explained(r.Context(), r.URL.Query().Get("name"))
		switch {
		case errors.As(err, new(badQuery)):
			plain(w, http.StatusBadRequest, err.Error()+"\n")
		case errors.Is(err, bus.ErrNoBus), errors.Is(err, bus.ErrNoRule), errors.Is(err, topic.ErrNotFound):
			plain(w, http.StatusNotFound, "There is no such rule or subscription.\n")
		case err != nil:
			plain(w, http.StatusServiceUnavailable, "The definitions are not known for the moment. Please try again.\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(page) // the client may be gone
		}
	})
}

func (a *App) explained(ctx context.Context, name string) (p ExplainPage, err error) {
	of, ok := registry.ParseARN(name)
	first, second, _ := strings.Cut(of.Name, "/")
	switch {
	case ok && of.Kind == "rule":
		b, err := a.buses.Find(ctx, of.Account, of.Region, first)
		if err != nil {
			return p, err
		}
		r, err := a.buses.Rule(ctx, b, second)
		if err != nil {
			return p, err
		}
		p = ExplainPage{Name: r.ARN(), Kind: EventPattern, Pattern: r.Pattern}
		switch {
		case r.Disabled:
			p.Stopped = "The rule is disabled."
		case r.Pattern == "":
			p.Stopped = "The rule has a schedule and no event pattern, so that it gets no events."
		case len(r.Targets) == 0:
			p.Stopped = "The rule has no targets."
		}
		return p, nil
	case ok && of.Kind == "subscription":
		s, _, err := a.topics.Subscription(ctx, of.Account, of.Region, first, second)
		if err != nil {
			return p, err
		}
		p = ExplainPage{Name: s.ARN(), Kind: AttributesPolicy, Pattern: s.FilterPolicy}
		if s.FilterBody {
			p.Kind = BodyPolicy
		}
		if s.Pending {
			p.Stopped = "The subscription is not confirmed yet."
		}
		return p, nil
	}
	return p, badQuery("name is the ARN of a rule, such as arn:aws:events:us-east-1:000000000000:rule/BUS/RULE, or of a subscription.")
}

// Explain says in one sentence whether what p is about gets a message, and if not, which
// field of it decides and what the pattern wants there. For a policy of attributes the
// message is the JSON that the AWS CLI takes as --message-attributes, for the others the
// event or the body. The error says what is wrong with the message.
func (p *ExplainPage) Explain(message []byte) (string, error) {
	if p.Stopped != "" {
		return p.Stopped, nil
	}
	if p.Pattern == "" {
		return "There is no filter policy: every message matches.", nil
	}
	dialect := map[string]pattern.Dialect{EventPattern: pattern.Events, AttributesPolicy: pattern.Attributes, BodyPolicy: pattern.Body}[p.Kind]
	compiled, err := pattern.Compile(dialect, []byte(p.Pattern))
	if err != nil {
		return "", err
	}
	if dialect != pattern.Attributes {
		return compiled.Explain(message), nil
	}
	var given map[string]struct{ DataType, StringValue string }
	const form = `message attributes are given as {"name": {"DataType": "String", "StringValue": "text"}}`
	if err := json.Unmarshal(message, &given); err != nil {
		return "", fmt.Errorf("%s: %w", form, err)
	}
	var all []pattern.Attribute
	for name, v := range given {
		if v.DataType == "" {
			return "", fmt.Errorf("%s: %q has no DataType", form, name)
		}
		all = append(all, pattern.Attribute{Name: name, Type: v.DataType, Value: v.StringValue})
	}
	return compiled.ExplainAttributes(all), nil
}
