package access

import (
	"strings"
	"time"
)

// Principal is who sent a request. It is a value; its strings are shared.
type Principal struct {
	Account string // twelve digits; "" when Anonymous, of a service or of a web identity
	// ARN is arn:aws:iam::ACCOUNT:user/NAME, or :root; of a role's session
	// arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION. "" when Anonymous.
	ARN       string
	UserID    string   // stable id of the user; the account's number for root
	Key       string   // access key, "" when unsigned
	Anonymous bool     // no signature: only a resource policy can let it in
	Policy    *Policy  // identity policy, nil: everything in the own account
	Session   *Session // of temporary credentials, else nil

	// Service is set for a service that acts on behalf of a resource, such as
	// "sns.amazonaws.com": nothing else is then but the resource's policy, which
	// can ask for aws:SourceArn and aws:SourceAccount of Query.Context.
	Service string
	// Provider is set for a web identity that asks for a role: the ARN of the
	// provider that vouches for it.
	Provider string
}

// Session is what temporary credentials add to their principal.
type Session struct {
	Role           string  // ARN of the assumed role, "" for a user's own session
	Policy         *Policy // session policy, nil: none
	Issued         time.Time
	Expires        time.Time
	Tags           map[string]string // aws:PrincipalTag/KEY
	SourceIdentity string
	Provider       string // aws:FederatedProvider of a web identity
}

// Root is the principal of an account itself.
func Root(account string) Principal { return userPrincipal(account, "") }

// OfService is a service that acts on behalf of one of its resources.
func OfService(name string) Principal { return Principal{Service: name} }

// OfAccount is the principal of an account's own doing: its root.
func OfAccount(account string) Principal { return userPrincipal(account, "root") }

func userPrincipal(account, user string) Principal {
	if user == "" || user == "root" {
		return Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
	}
	return Principal{
		Account: account,
		ARN:     "arn:aws:iam::" + account + ":user/" + user,
		UserID:  uniqueID("AIDA", account, user),
	}
}

// IsRoot reports whether p is an account itself, with its own key.
func (p *Principal) IsRoot() bool {
	return p.Session == nil && strings.HasPrefix(p.ARN, "arn:aws:iam:") && strings.HasSuffix(p.ARN, ":root")
}

// describe names p in a refusal.
func (p *Principal) describe() string {
	switch {
	case p.Service != "":
		return "Service: " + p.Service
	case p.Anonymous:
		return "User: anonymous"
	case p.Provider != "":
		return "Identity of " + p.Provider
	}
	return "User: " + p.ARN
}

// policyARN is the ARN that policies know p by: of a session that of its role.
func (p *Principal) policyARN() string {
	if p.Session != nil && p.Session.Role != "" {
		return p.Session.Role
	}
	return p.ARN
}

// value gives a condition key that is about the caller:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principal-properties
func (p *Principal) value(key string) (string, bool) {
	if len(key) < 5 || !strings.EqualFold(key[:4], "aws:") {
		return "", false
	}
	switch rest := lower(key[4:]); rest {
	case "principalarn":
		arn := p.policyARN()
		return arn, arn != ""
	case "principalaccount":
		return p.Account, p.Account != ""
	case "principalisawsservice":
		if p.Service != "" {
			return "true", true
		}
		return "false", true
	case "principalservicename":
		return p.Service, p.Service != ""
	case "principaltype":
		return p.kind(), true
	case "userid":
		return p.UserID, p.UserID != ""
	case "username":
		_, name, ok := strings.Cut(p.ARN, ":user/")
		return name[strings.LastIndexByte(name, '/')+1:], ok
	default:
		return p.sessionValue(rest, key)
	}
}

// sessionValue gives a condition key that only temporary credentials have.
func (p *Principal) sessionValue(lowered, key string) (string, bool) {
	s := p.Session
	if s == nil {
		return "", false
	}
	switch lowered {
	case "sourceidentity":
		return s.SourceIdentity, s.SourceIdentity != ""
	case "federatedprovider":
		return s.Provider, s.Provider != ""
	case "tokenissuetime":
		return s.Issued.UTC().Format(time.RFC3339), true
	}
	const tag = "aws:principaltag/"
	if len(key) > len(tag) && strings.HasPrefix(lowered, tag[4:]) {
		for k, v := range s.Tags {
			if strings.EqualFold(k, key[len(tag):]) {
				return v, true
			}
		}
	}
	return "", false
}

func (p *Principal) kind() string {
	switch {
	case p.Anonymous:
		return "Anonymous"
	case p.Service != "":
		return "Service"
	case p.Provider != "":
		return "FederatedUser"
	case p.Session != nil && p.Session.Role != "":
		return "AssumedRole"
	case p.IsRoot():
		return "Account"
	}
	return "User"
}
