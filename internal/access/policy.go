package access

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
	// Principal is the caller. Identity policies do not look at it but for the
	// condition keys about the principal.
	Principal *Principal
	Action    string // "sqs:SendMessage"; compared without regard to case
	Resource  string // ARN
	Context   Context
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
	any      bool
	account  string // the account as a whole
	arn      string // one user, role or session
	service  string
	provider string // an identity provider
}

// grant says how directly a statement names the caller.
type grant int

const (
	toNobody  grant = iota
	toAccount       // the caller's account as a whole
	toMany          // anybody, or the role of the caller's session
	toCaller        // the caller itself
)

// Evaluate decides on r. A nil Policy says None.
func (p *Policy) Evaluate(r Request) Decision {
	if r.Principal == nil {
		r.Principal = &Principal{Anonymous: true}
	}
	d, _ := p.evaluate(&r)
	return d
}

// evaluate is Evaluate; how is the most direct of the grants that allow.
func (p *Policy) evaluate(r *Request) (d Decision, how grant) {
	if p == nil {
		return None, toNobody
	}
	for i := range p.statements {
		s := &p.statements[i]
		to := s.applies(p.kind, r)
		if to == toNobody {
			continue
		}
		if s.deny {
			return Deny, toNobody
		}
		d, how = Allow, max(how, to)
	}
	return d, how
}

// applies reports how the statement reaches the caller: toNobody when it does not.
func (s *statement) applies(kind Kind, r *Request) grant {
	to := toMany
	if kind == Resource {
		to = matchPrincipal(s.principals, r.Principal)
		if s.notPrincipal {
			if to != toNobody || !s.deny && (r.Principal.Anonymous || r.Principal.Service != "") {
				// Who is "everyone but X" must at least be someone: an unsigned
				// request and a service are let in by name only.
				return toNobody
			}
			to = toMany
		}
		if to == toNobody {
			return toNobody
		}
	}
	if matchAny(s.actions, r.Action, true) == s.notAction || matchAny(s.resources, r.Resource, false) == s.notResource {
		return toNobody
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r) {
			return toNobody
		}
	}
	return to
}

// matchPrincipal reports how directly list names the caller.
func matchPrincipal(list []principal, who *Principal) (how grant) {
	role := ""
	if who.Session != nil {
		role = who.Session.Role
	}
	for i := range list {
		switch p := &list[i]; {
		case p.any:
			how = max(how, toMany)
		case p.arn != "" && p.arn == who.ARN, p.service != "" && p.service == who.Service, p.provider != "" && p.provider == who.Provider:
			return toCaller
		case p.arn != "" && p.arn == role:
			how = max(how, toMany)
		case p.account != "" && p.account == who.Account:
			if who.IsRoot() {
				return toCaller
			}
			how = max(how, toAccount)
		}
	}
	return how
}

func matchAny(patterns []string, s string, fold bool) bool {
	for _, p := range patterns {
		if glob(p, s, fold) {
			return true
		}
	}
	return false
}

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
