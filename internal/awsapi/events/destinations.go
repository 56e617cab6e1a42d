package events

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// Invocations of an API destination a second: what it has unless it says, and at most.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const maxRate = 300

// check checks what API destinations are given; all says that what is left out is
// missing.
func (in *destinationInput) check(v *problems, all bool) {
	v.connectionName("name", in.Name)
	if in.Description != "" {
		v.Length("description", in.Description, 0, maxDescription)
	}
	if in.ConnectionArn != "" || all {
		checkConnectionARN(v, in.ConnectionArn)
	}
	if in.InvocationEndpoint != "" || all {
		v.endpoint("invocationEndpoint", in.InvocationEndpoint)
	}
	if in.HttpMethod == "" && all {
		v.Add("httpMethod", "", "not be null")
	}
	v.Enum("httpMethod", in.HttpMethod, "POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")
	v.Range("invocationRateLimitPerSecond", in.InvocationRateLimitPerSecond, 1, maxRate)
}

func checkConnectionARN(v *problems, arn string) {
	before := len(v.Problems)
	if v.Length("connectionArn", arn, 1, maxARN); len(v.Problems) > before {
		return
	}
	if r, ok := registry.ParseARN(arn); !ok || r.Kind != "connection" {
		v.Add("connectionArn", arn, "satisfy regular expression pattern: "+connectionPattern)
	}
}

// put gives a destination what the request says.
func (in *destinationInput) put(d *registry.APIDestination) {
	for _, f := range []struct {
		to    *string
		given string
	}{
		{&d.Description, in.Description}, {&d.ConnectionARN, in.ConnectionArn}, {&d.Endpoint, in.InvocationEndpoint}, {&d.Method, in.HttpMethod},
	} {
		if f.given != "" {
			*f.to = f.given
		}
	}
	if in.InvocationRateLimitPerSecond != nil {
		d.PerSecond = int(*in.InvocationRateLimitPerSecond)
	}
}

// createAPIDestination makes an API destination.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html
func (s *service) createAPIDestination(ctx context.Context, c *protocol.Call, in *destinationInput) (*destinationOutput, error) {
	var v problems
	in.check(&v, true)
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:CreateApiDestination", namedARN(c, "api-destination", in.Name)); err != nil {
		return nil, err
	}
	if err := checkEndpoint("InvocationEndpoint", in.InvocationEndpoint); err != nil {
		return nil, err
	}
	def := registry.APIDestination{Meta: registry.Meta{Account: c.Account, Region: c.Region, Name: in.Name}, PerSecond: maxRate}
	in.put(&def)
	made, err := s.buses.CreateDestination(ctx, def)
	if errors.Is(err, bus.ErrDestinationExists) {
		return nil, &protocol.Error{Code: "ResourceAlreadyExistsException", Message: "An api-destination '" + in.Name + "' already exists."}
	}
	if err != nil {
		return nil, destinationFailure(err, in)
	}
	return s.shownDestination(made), nil
}

func noDestination(name string) error {
	return &protocol.Error{Code: "ResourceNotFoundException", Message: "An api-destination '" + echo(name) + "' does not exist."}
}

// destinationFailure is failure for what is about an API destination.
func destinationFailure(err error, in *destinationInput) error {
	switch {
	case errors.Is(err, bus.ErrNoDestination):
		return noDestination(in.Name)
	case errors.Is(err, bus.ErrNoConnection):
		return noConnection(in.ConnectionArn)
	}
	return failure(err)
}

// destination finds an API destination on which the caller may do action.
func (s *service) destination(ctx context.Context, c *protocol.Call, name, action string) (*registry.APIDestination, error) {
	def, err := s.buses.Destination(ctx, c.Account, c.Region, name)
	if errors.Is(err, bus.ErrNoDestination) {
		if err := s.allowAccount(c, c.Account, action, namedARN(c, "api-destination", name)); err != nil {
			return nil, err
		}
		return nil, noDestination(name)
	}
	if err != nil {
		return nil, failure(err)
	}
	return def, s.allowAccount(c, c.Account, action, def.ARN())
}

func (s *service) namedDestination(ctx context.Context, c *protocol.Call, in *nameInput, action string) (*registry.APIDestination, error) {
	var v problems
	if v.connectionName("name", in.Name); v.error() != nil {
		return nil, v.error()
	}
	return s.destination(ctx, c, in.Name, action)
}

func (s *service) activity(d *registry.APIDestination) string {
	if s.buses.Active(d) {
		return "ACTIVE"
	}
	return "INACTIVE"
}

func (s *service) shownDestination(d *registry.APIDestination) *destinationOutput {
	return &destinationOutput{d.ARN(), s.activity(d), moment(d.Created), moment(d.Modified)}
}

// updateAPIDestination changes what is said of an API destination.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateApiDestination.html
func (s *service) updateAPIDestination(ctx context.Context, c *protocol.Call, in *destinationInput) (*destinationOutput, error) {
	var v problems
	in.check(&v, false)
	if err := v.error(); err != nil {
		return nil, err
	}
	if _, err := s.destination(ctx, c, in.Name, "events:UpdateApiDestination"); err != nil {
		return nil, err
	}
	if in.InvocationEndpoint != "" {
		if err := checkEndpoint("InvocationEndpoint", in.InvocationEndpoint); err != nil {
			return nil, err
		}
	}
	now, err := s.buses.UpdateDestination(ctx, c.Account, c.Region, in.Name, in.put)
	if err != nil {
		return nil, destinationFailure(err, in)
	}
	return s.shownDestination(now), nil
}

// deleteAPIDestination removes an API destination, also while rules lead to it.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteApiDestination.html
func (s *service) deleteAPIDestination(ctx context.Context, c *protocol.Call, in *nameInput) (*protocol.Empty, error) {
	if _, err := s.namedDestination(ctx, c, in, "events:DeleteApiDestination"); err != nil {
		return nil, err
	}
	return nil, destinationFailure(s.buses.DeleteDestination(ctx, c.Account, c.Region, in.Name), &destinationInput{Name: in.Name})
}

func (s *service) describeAPIDestination(ctx context.Context, c *protocol.Call, in *nameInput) (*describeDestinationOutput, error) {
	d, err := s.namedDestination(ctx, c, in, "events:DescribeApiDestination")
	if err != nil {
		return nil, err
	}
	return &describeDestinationOutput{
		ApiDestinationArn: d.ARN(), Name: d.Name, Description: d.Description, ApiDestinationState: s.activity(d), ConnectionArn: d.ConnectionARN,
		InvocationEndpoint: d.Endpoint, HttpMethod: d.Method, InvocationRateLimitPerSecond: int32(d.PerSecond),
		CreationTime: moment(d.Created), LastModifiedTime: moment(d.Modified),
	}, nil
}

func (s *service) listAPIDestinations(ctx context.Context, c *protocol.Call, in *listDestinationsInput) (*listDestinationsOutput, error) {
	var v problems
	if in.NamePrefix != "" {
		v.connectionName("namePrefix", in.NamePrefix)
	}
	if in.ConnectionArn != "" {
		checkConnectionARN(&v, in.ConnectionArn)
	}
	l, err := s.list(ctx, &v, c, in.Limit, in.NextToken, c.Region, in.NamePrefix, in.ConnectionArn)
	if err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:ListApiDestinations", namedARN(c, "api-destination", "*")); err != nil {
		return nil, err
	}
	list, more := s.buses.APIDestinations(c.Account, c.Region, in.NamePrefix, in.ConnectionArn, l.after, l.limit)
	out := &listDestinationsOutput{ApiDestinations: make([]destination, len(list))}
	for i, d := range list {
		l.after = d.Name
		out.ApiDestinations[i] = destination{
			ApiDestinationArn: d.ARN(), Name: d.Name, ApiDestinationState: s.activity(d), ConnectionArn: d.ConnectionARN, InvocationEndpoint: d.Endpoint,
			HttpMethod: d.Method, InvocationRateLimitPerSecond: int32(d.PerSecond), CreationTime: moment(d.Created), LastModifiedTime: moment(d.Modified),
		}
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}

// check checks the parameters of a target by HTTP.
func (h *targetHTTP) check(v *problems, at string) {
	most := func(member string, n int) bool {
		if n > maxParameters {
			v.Add(at+member, strconv.Itoa(n)+" elements", "have length less than or equal to "+strconv.Itoa(maxParameters))
		}
		return n <= maxParameters
	}
	if most("pathParameterValues", len(h.PathParameterValues)) {
		for i, p := range h.PathParameterValues {
			member := at + "pathParameterValues." + strconv.Itoa(i+1) + ".member"
			if v.Length(member, p, 1, maxPathParameter); p != "" && strings.TrimSpace(p) == "" {
				v.Add(member, p, "satisfy regular expression pattern: "+pathValuePattern)
			}
		}
	}
	pairs := func(member string, given map[string]string, key, value func(member, value string)) {
		if !most(member, len(given)) {
			return
		}
		for k, x := range given {
			if key(at+member+".key", k); x != "" {
				value(at+member+"."+echo(k)+".value", x)
			}
		}
	}
	pairs("headerParameters", h.HeaderParameters, v.headerKey, v.headerValue)
	pairs("queryStringParameters", h.QueryStringParameters, v.queryKey, v.queryValue)
}

func (h *targetHTTP) definition() *registry.HTTPParameters {
	if h == nil {
		return nil
	}
	return &registry.HTTPParameters{Path: h.PathParameterValues, Header: h.HeaderParameters, Query: h.QueryStringParameters}
}

func shownHTTP(h *registry.HTTPParameters) *targetHTTP {
	if h == nil {
		return nil
	}
	return &targetHTTP{h.Path, h.Header, h.Query}
}

// checkDestination checks a target that is an API destination.
func (t *target) checkDestination(c *protocol.Call, r registry.Resource) error {
	if r.Account != c.Account {
		return badParameter("Arn", "API destinations of other accounts cannot be targets: lead to an event bus of that account.")
	}
	return nil
}
