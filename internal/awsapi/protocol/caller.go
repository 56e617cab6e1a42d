package protocol

import (
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// describe fills in the Call of a request whose caller is known.
func (h *Handler) describe(x *exchange) {
	r, c := x.http, &x.call
	c.API, c.Operation, c.Protocol = x.service.API, x.op.Name, x.codec.protocol()
	c.Principal, c.Account, c.Region = x.claim.Principal, x.claim.Principal.Account, x.claim.Scope.Region
	if c.Region == "" {
		c.Region = access.DefaultRegion
	}
	o := &x.origin
	c.Host, c.Scheme, c.Path, c.SourceIP = o.Host, o.Scheme, r.URL.Path, o.SourceIP()
	c.Header, c.Received = r.Header, x.started
}

// Conditions are what the Condition of a policy can ask of any request. Keys about
// the principal are known to access; an API adds those of its ConditionKeys.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (c *Call) Conditions() access.Context {
	m := make(access.Context, 8)
	m.Set("aws:SecureTransport", strconv.FormatBool(c.Scheme == "https"))
	m.Set("aws:CurrentTime", c.Received.UTC().Format(time.RFC3339))
	m.Set("aws:EpochTime", strconv.FormatInt(c.Received.Unix(), 10))
	m.Set("aws:RequestedRegion", c.Region)
	m.Set("aws:SourceIp", c.SourceIP)
	m.Set("aws:UserAgent", c.Header.Get("User-Agent"))
	m.Set("aws:Referer", c.Header.Get("Referer"))
	return m
}
