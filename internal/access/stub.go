package access

import "net/http"

type keyCache struct{}

func readKeys(string) ([]Credential, []string, error) { return nil, nil, nil }
func (c Credential) check() error                     { return nil }

// Authenticate checks the signature of r; body is its whole body.
func (a *Access) Authenticate(r *http.Request, body []byte) (Principal, Scope, error) {
	return Root(a.account), Scope{Region: DefaultRegion}, nil
}

// Authorize decides.
func (a *Access) Authorize(p Principal, action, resourceARN, resourceAccount string, resourcePolicy *Policy, ctx map[string]string) error {
	return nil
}

// Kind says what a policy is attached to.
type Kind int

// Kinds of policy.
const (
	Identity Kind = iota // of a user: no Principal element
	Resource             // of a queue or topic: Principal required
)

// Policy is a parsed IAM policy.
type Policy struct{}

// ParsePolicy parses an IAM policy document.
func ParsePolicy(data []byte, kind Kind) (*Policy, error) { return &Policy{}, nil }

// Decision of a policy.
type Decision int

// Decisions.
const (
	None Decision = iota
	Allow
	Deny
)

// Request is what is asked of a policy.
type Request struct {
	Principal, Action, Resource string
	Context                     map[string]string
}

// Evaluate decides.
func (p *Policy) Evaluate(r Request) Decision { return None }
