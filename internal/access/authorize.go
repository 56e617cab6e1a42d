package access

// Query is one question to Authorize: may Principal do Action on Resource?
type Query struct {
	Principal *Principal
	Action    string // "sqs:SendMessage"
	Resource  string // ARN
	Account   string // that owns the resource
	Policy    string // the resource's policy as it is stored, JSON; "": none
	// RootAlways marks what the root of the owning account may do whatever the
	// resource's policy says, so that no policy can lock its resource for good:
	// to read, set and remove the policy, and to delete the resource.
	RootAlways bool
	// Context gives the values of condition keys; it is called only if a policy is
	// asked. nil: none but those about the principal.
	Context func() Context
}

// Context has the values of condition keys, such as "aws:SourceArn",
// "aws:SourceIp", "aws:SecureTransport" ("true", "false"), "aws:CurrentTime".
// Keys are compared without regard to case; most have one value. Keys about the
// principal (aws:PrincipalArn, aws:username …) are known without it.
type Context map[string][]string

// Set gives a key its values; an empty single value leaves it absent.
func (c Context) Set(key string, values ...string) {
	if len(values) == 1 && values[0] == "" {
		return
	}
	c[key] = values
}

// Unquestioned reports whether Authorize allows everything to p on a resource of
// account that has policy, without asking any: what is p's own, or anything when
// policies are not enforced. Callers save making a Query then.
func (a *Access) Unquestioned(p *Principal, account, policy string) bool {
	if !a.enforce {
		return true
	}
	return policy == "" && p.Policy == nil && (p.Session == nil || p.Session.Policy == nil) &&
		!p.Anonymous && p.Service == "" && p.Account == account
}

// Enforces reports whether policies are asked at all. Without it they are only
// kept: in open mode anybody can be anyone.
func (a *Access) Enforces() bool { return a.enforce }

// Authorize reports whether q is allowed, as nil or an *Error. It needs no HTTP
// request: services ask it for one another.
//
//   - An explicit Deny of any policy is final.
//   - In the own account: the identity policy (nil allows everything) or the
//     resource's policy must allow.
//   - In another account: the resource's policy must allow, and so must the
//     identity policy if there is one.
//   - An anonymous caller and a service: the resource's policy must allow.
//   - A session policy must allow as well, unless the resource's policy names the
//     session itself.
//   - The account's root is not bound by the resource's policy in what
//     Query.RootAlways marks.
//
// It allocates nothing where Unquestioned holds.
func (a *Access) Authorize(q Query) error {
	p := q.Principal
	if a.Unquestioned(p, q.Account, q.Policy) {
		return nil
	}
	same := !p.Anonymous && p.Account != "" && p.Account == q.Account
	ask := Request{Principal: p, Action: q.Action, Resource: q.Resource}
	if q.Context != nil {
		ask.Context = q.Context()
	}
	var resource Decision
	var how grant
	if !(q.RootAlways && same && p.IsRoot()) {
		policy, err := a.policies.get(q.Policy)
		if err != nil {
			// Policies are checked before they are stored: this one is of another
			// release. Half understood it must not let anyone in.
			return &Error{Code: ErrAccessDenied.Code, Status: ErrAccessDenied.Status,
				Message: "The policy of " + clip(q.Resource) + " cannot be read by this release: the account's root can set it again."}
		}
		resource, how = policy.evaluate(&ask)
	}
	identity, session := p.allowed(&ask)
	switch {
	case identity == Deny:
		return denied(&q, "with an explicit deny in an identity-based policy")
	case session == Deny:
		return denied(&q, "with an explicit deny in a session policy")
	case resource == Deny:
		return denied(&q, "with an explicit deny in a resource-based policy")
	case p.Anonymous:
		if resource == Allow {
			return nil
		}
		return ErrMissingToken
	case same && identity != Allow && (resource != Allow || how <= toAccount):
		// What a resource grants to the account as a whole, the account's own
		// identity policies still govern.
		return denied(&q, "because no identity-based policy allows the "+q.Action+" action")
	case !same && resource != Allow:
		return denied(&q, "because no resource-based policy allows the "+q.Action+" action")
	case !same && identity != Allow:
		return denied(&q, "because no identity-based policy allows the "+q.Action+" action")
	case session != Allow && how < toCaller:
		return denied(&q, "because no session policy allows the "+q.Action+" action")
	}
	return nil
}

// allowed asks the caller's own policies; where there is none, they allow.
func (p *Principal) allowed(r *Request) (identity, session Decision) {
	identity, session = Allow, Allow
	if p.Policy != nil {
		identity, _ = p.Policy.evaluate(r)
	}
	if p.Session != nil && p.Session.Policy != nil {
		session, _ = p.Session.Policy.evaluate(r)
	}
	return identity, session
}

func denied(q *Query, why string) error {
	return &Error{Code: ErrAccessDenied.Code, Status: ErrAccessDenied.Status,
		Message: q.Principal.describe() + " is not authorized to perform: " + q.Action + " on resource: " + clip(q.Resource) + " " + why}
}
