package events

import (
	"context"
	"errors"
	"strings"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// busName checks the name or ARN of a bus, "" for the default one, and takes it apart.
// A bus by its name is the caller's.
func busName(v *problems, c *protocol.Call, member, given string) registry.Resource {
	r := registry.Resource{Kind: "bus", Account: c.Account, Region: c.Region, Name: given}
	switch {
	case given == "":
		r.Name = registry.DefaultBus
	case strings.HasPrefix(given, "arn:"):
		var ok bool
		if r, ok = registry.ParseARN(given); !ok || r.Kind != "bus" || len(given) > maxARN {
			v.Add(member, given, "satisfy regular expression pattern: "+busARNPattern)
		}
	default:
		ownBusName(v, member, given)
	}
	return r
}

const (
	namePattern   = `[\.\-_A-Za-z0-9]+`
	busARNPattern = `(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[/\.\-_A-Za-z0-9]+`
)

func ownBusName(v *problems, member, given string) {
	v.Pattern(member, given, 1, maxBusName, namePattern, ".-")
}

// find gives the bus of a name or an ARN, and asks whether the caller may do action on
// the resource of that ARN ("": the bus itself); more adds to the conditions, and may be
// nil.
func (s *service) find(ctx context.Context, c *protocol.Call, r registry.Resource, action, arn string, more func(access.Context)) (*registry.Bus, error) {
	if arn == "" {
		arn = r.ARN()
	}
	b, err := s.buses.Find(ctx, r.Account, r.Region, r.Name)
	if errors.Is(err, bus.ErrNoBus) {
		// Whether another account has a bus is not for everybody to know.
		if err := s.allowAccount(c, r.Account, action, arn); err != nil {
			return nil, err
		}
		return nil, noBus(r.Name)
	}
	if err != nil {
		return nil, failure(err)
	}
	return b, s.allow(c, b, action, arn, more)
}

// allow asks for an action on a bus or one of its rules.
func (s *service) allow(c *protocol.Call, b *registry.Bus, action, arn string, more func(access.Context)) error {
	if s.access.Unquestioned(&c.Principal, b.Account, b.Policy) {
		return nil
	}
	return s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: arn, Account: b.Account, Policy: b.Policy,
		RootAlways: action != "events:PutEvents",
		Context: func() access.Context {
			known := c.Conditions()
			if more != nil {
				more(known)
			}
			return known
		},
	})
}

// allowAccount asks for an action on what has no policy of its own, or does not exist.
func (s *service) allowAccount(c *protocol.Call, account, action, arn string) error {
	if s.access.Unquestioned(&c.Principal, account, "") {
		return nil
	}
	return s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: arn, Account: account, Context: c.Conditions,
	})
}

// ruleARN is the ARN of a rule on a bus.
func ruleARN(bus registry.Resource, rule string) string {
	return registry.Resource{Kind: "rule", Account: bus.Account, Region: bus.Region, Name: bus.Name + "/" + rule}.ARN()
}

// ofRule checks the names of a rule and its bus, and gives the bus if the caller may do
// action on the rule.
func (s *service) ofRule(ctx context.Context, c *protocol.Call, v *problems, member, rule, busGiven, action string, more func(access.Context)) (*registry.Bus, error) {
	v.Pattern(member, rule, 1, maxRuleName, namePattern, ".-")
	r := busName(v, c, "eventBusName", busGiven)
	if err := v.error(); err != nil {
		return nil, err
	}
	return s.find(ctx, c, r, action, ruleARN(r, rule), more)
}

// rule finds a rule on which the caller may do action.
func (s *service) rule(ctx context.Context, c *protocol.Call, v *problems, member, name, busGiven, action string) (*registry.Bus, *registry.Rule, error) {
	b, err := s.ofRule(ctx, c, v, member, name, busGiven, action, nil)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.buses.Rule(ctx, b, name)
	return b, r, ruleFailure(err, b, name)
}

// ruleFailure is failure for what is about a rule.
func ruleFailure(err error, b *registry.Bus, name string) error {
	switch {
	case errors.Is(err, bus.ErrNoRule):
		return noRule(name, b.Name)
	case errors.Is(err, bus.ErrNoBus):
		return noBus(b.Name)
	}
	return failure(err)
}
