package access

import "strings"

// Kind says what a policy is attached to.
type Kind int

// Kinds of policy.
const (
	Identity Kind = iota // of a user: has no Principal element
	Resource             // of a queue or topic: every statement has a Principal
)

// Decision is what a policy says of a request.
type Decision int

// Decisions. The zero Decision is None.
const (
	None  Decision = iota // no statement applies
	Allow                 // a statement allows and none denies
	Deny                  // a statement denies: final
)

// String names the decision.
func (d Decision) String() string {
	switch d {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	}
	return "none"
}

// Policy is a parsed IAM policy. It is immutable and safe for concurrent use.
type Policy struct {
	kind       Kind
	statements []statement
}

// Request is what a policy is asked.
type Request struct {
	// Principal is the caller's ARN, a service's name ("sns.amazonaws.com"), or ""
	// for an anonymous caller. Identity policies do not look at it but for the
	// condition keys aws:PrincipalArn, aws:PrincipalAccount and aws:username.
	Principal string
	Action    string // "sqs:SendMessage"; compared without regard to case
	Resource  string // ARN
	// Context has the values of condition keys, such as "aws:SourceArn",
	// "aws:SourceIp", "aws:SecureTransport" ("true", "false"), "aws:CurrentTime".
	// Keys are compared without regard to case.
	Context map[string]string
}

type statement struct {
	sid          string
	deny         bool
	principals   []principal
	notPrincipal bool
	actions      []string // lower case
	notAction    bool
	resources    []string
	notResource  bool
	conditions   []condition
}

// principal is one entry of a Principal element. Empty fields do not match.
type principal struct {
	any     bool
	account string // the account as a whole
	arn     string // one user or role
	service string
}

// Evaluate decides on r. A nil Policy says None.
func (p *Policy) Evaluate(r Request) Decision {
	d, _ := p.evaluate(&r, "")
	return d
}

// evaluate is Evaluate; direct tells whether an Allow was given to the caller
// itself or to anyone, not only to the caller's account as a whole.
func (p *Policy) evaluate(r *Request, userID string) (d Decision, direct bool) {
	if p == nil {
		return None, false
	}
	for i := range p.statements {
		s := &p.statements[i]
		ok, viaAccount := s.applies(p.kind, r, userID)
		if !ok {
			continue
		}
		if s.deny {
			return Deny, false
		}
		d = Allow
		direct = direct || !viaAccount
	}
	return d, direct
}

func (s *statement) applies(kind Kind, r *Request, userID string) (ok, viaAccount bool) {
	if kind == Resource {
		hit, account := matchPrincipal(s.principals, r.Principal)
		if hit == s.notPrincipal {
			return false, false
		}
		viaAccount = account && !s.notPrincipal
	}
	if matchAny(s.actions, r.Action, true) == s.notAction || matchAny(s.resources, r.Resource, false) == s.notResource {
		return false, false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r, userID) {
			return false, false
		}
	}
	return true, viaAccount
}

// matchPrincipal tells whether the caller is among list, and whether only as a
// member of a listed account.
func matchPrincipal(list []principal, caller string) (ok, viaAccount bool) {
	account := arnAccount(caller)
	for i := range list {
		switch p := &list[i]; {
		case p.any:
			return true, false
		case p.arn != "" && p.arn == caller, p.service != "" && p.service == caller:
			return true, false
		case p.account != "" && p.account == account:
			ok, viaAccount = true, !isRoot(caller)
			if !viaAccount {
				return true, false
			}
		}
	}
	return ok, viaAccount
}

func matchAny(patterns []string, s string, fold bool) bool {
	for _, p := range patterns {
		if glob(p, s, fold) {
			return true
		}
	}
	return false
}

// arnAccount gives the account of an ARN, "" if it has none.
func arnAccount(arn string) string {
	if !strings.HasPrefix(arn, "arn:") {
		return ""
	}
	for range 4 {
		_, rest, ok := strings.Cut(arn, ":")
		if !ok {
			return ""
		}
		arn = rest
	}
	account, _, _ := strings.Cut(arn, ":")
	return account
}

func isRoot(arn string) bool { return strings.HasSuffix(arn, ":root") }

// glob matches s against a pattern of literal characters, "*" (any run of
// characters) and "?" (any one). fold compares ASCII letters without regard to
// case; the pattern must then be in lower case. Cost: at most len(p)*len(s).
func glob(p, s string, fold bool) bool {
	pi, si, star, mark := 0, 0, -1, 0
	for si < len(s) {
		c := s[si]
		if fold && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch {
		case pi < len(p) && p[pi] == '*':
			star, mark = pi, si
			pi++
		case pi < len(p) && (p[pi] == '?' || p[pi] == c):
			pi++
			si++
		case star >= 0:
			mark++
			pi, si = star+1, mark
		default:
			return false
		}
	}
	for pi < len(p) && p[pi] == '*' {
		pi++
	}
	return pi == len(p)
}
