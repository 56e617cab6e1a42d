package access

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/access/oidc"
)

// How long temporary credentials may live.
const (
	MinSession     = 15 * time.Minute
	DefaultSession = time.Hour      // of a role
	maxRoleSession = 12 * time.Hour // of a role, if it says so
	maxChained     = time.Hour      // of a role that another role's session assumes
	maxUserSession = 36 * time.Hour // of a user
	defaultUser    = 12 * time.Hour // of a user
	maxRoot        = time.Hour      // of an account's root
	maxTokenPolicy = 2048           // characters of a session policy, as with AWS
	maxTokenTags   = 50             // session tags
	maxPacked      = 4096           // bytes of policy and tags together
)

// Grant asks for temporary credentials.
type Grant struct {
	Role           string        // ARN, of AssumeRole…
	Name           string        // of the role's session or of the federated user
	Duration       time.Duration // 0: the default
	Policy         string        // session policy, JSON; "": none
	Tags           map[string]string
	SourceIdentity string
	ExternalID     string
	Context        Context // of the request
}

// Credentials are temporary ones.
type Credentials struct {
	Key, Secret, Token string
	Expires            time.Time
	ARN, UserID        string // of the session
	Packed             int    // percent of the room for policy and tags
	// Of a web identity: who it is, and who says so.
	Subject, Audience, Provider string
}

func invalid(message string) error {
	return &Error{Code: "ValidationError", Status: 400, Message: message}
}

// AssumeRole gives p credentials of a role: the role's trust policy has to let p,
// and p's own policies have to let it do sts:AssumeRole on the role, unless the
// trust policy names p itself.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (a *Access) AssumeRole(p *Principal, g Grant) (Credentials, error) {
	r, err := a.role(g.Role)
	if err == nil && !a.open {
		err = a.mayAssume(p, r, &g)
	}
	if err != nil {
		return Credentials{}, err
	}
	longest := r.longest()
	if p.Session != nil && p.Session.Role != "" {
		longest = min(longest, maxChained)
	}
	v := session{Account: r.Account, Role: r.Name, Name: g.Name, Tags: g.Tags, Source: g.SourceIdentity}
	if p.Session != nil && p.Session.SourceIdentity != "" {
		if g.SourceIdentity != "" && g.SourceIdentity != p.Session.SourceIdentity {
			// A trust policy may have let the other in.
			return Credentials{}, denied(&Query{Principal: p, Action: "sts:SetSourceIdentity", Resource: g.Role},
				"because the source identity of a session stays along a chain of roles")
		}
		v.Source = p.Session.SourceIdentity
	}
	return a.issue(&v, &g, min(DefaultSession, longest), longest)
}

// role finds a role by its ARN. In open mode there is any.
func (a *Access) role(arn string) (*Role, error) {
	if r := a.dir.Load().roles[arn]; r != nil {
		return r, nil
	}
	const prefix = "arn:aws:iam::"
	account, name, ok := strings.Cut(strings.TrimPrefix(arn, prefix), ":role/")
	if !strings.HasPrefix(arn, prefix) || !ok || !IsAccount(account) || !isName(name) {
		return nil, invalid(clip(arn) + " is invalid")
	}
	if !a.open {
		return nil, nil // who asks shall not learn which roles there are
	}
	return &Role{Name: name, Account: account}, nil
}

func (r *Role) longest() time.Duration {
	if r.MaxSession != 0 {
		return r.MaxSession
	}
	return DefaultSession
}

// sessionARN is what a role's session is called; a role's path is not part of it.
func sessionARN(r *Role, name string) string {
	role := r.Name[strings.LastIndexByte(r.Name, '/')+1:]
	return "arn:aws:sts::" + r.Account + ":assumed-role/" + role + "/" + name
}

// mayAssume asks the role's trust policy and the caller's own.
func (a *Access) mayAssume(p *Principal, r *Role, g *Grant) error {
	actions := []string{"sts:AssumeRole"}
	if len(g.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if g.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		ask := Request{Principal: p, Action: action, Resource: g.Role, Context: g.conditions()}
		if r == nil {
			return denied(&Query{Principal: p, Action: action, Resource: g.Role}, "because no role of this name lets it")
		}
		trust, how := r.Trust.evaluate(&ask)
		identity, limit := p.allowed(&ask)
		if identity == Deny || limit == Deny || trust != Allow || limit != Allow && how < toCaller ||
			identity != Allow && (how <= toAccount || p.Account != r.Account) {
			return denied(&Query{Principal: p, Action: action, Resource: g.Role}, "because no role of this name lets it")
		}
	}
	return nil
}

// conditions are the keys that trust policies can ask for.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
func (g *Grant) conditions() Context {
	c := Context{}
	for k, v := range g.Context {
		c[k] = v
	}
	c.Set("sts:RoleSessionName", g.Name)
	c.Set("sts:ExternalId", g.ExternalID)
	c.Set("sts:SourceIdentity", g.SourceIdentity)
	var keys []string
	for k, v := range g.Tags {
		c.Set("aws:RequestTag/"+k, v)
		keys = append(keys, k)
	}
	if len(keys) > 0 {
		c.Set("aws:TagKeys", keys...)
	}
	return c
}

// AssumeRoleWithWebIdentity gives credentials of a role to whom a token of an
// identity provider names; nobody has to sign for that.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (a *Access) AssumeRoleWithWebIdentity(ctx context.Context, token string, g Grant) (Credentials, error) {
	const action = "sts:AssumeRoleWithWebIdentity"
	notAuthorized := &Error{Code: ErrAccessDenied.Code, Status: ErrAccessDenied.Status, Message: "Not authorized to perform " + action}
	r, err := a.role(g.Role)
	if err != nil {
		return Credentials{}, err
	}
	issuer, err := oidc.IssuerOf(token)
	if err != nil {
		return Credentials{}, webIdentityError(err)
	}
	var claims oidc.Claims
	var arn string
	if a.open {
		// Anybody can be anyone here; the token only says who wants to be.
		claims, err = oidc.Peek(token)
		arn = (&Provider{Issuer: issuer, Account: r.Account}).ARN()
	} else {
		// Whether there is such a role is not looked at yet: nobody has said who asks.
		account := strings.Split(g.Role, ":")[4] // role has seen the ARN
		p := a.dir.Load().providers[providerKey{account, issuer}]
		if p == nil {
			return Credentials{}, &Error{Code: "InvalidIdentityToken", Status: 400,
				Message: "No OpenIDConnect provider found in your account for " + clip(issuer)}
		}
		arn = p.arn
		claims, err = p.issuer.Verify(ctx, token)
	}
	if err != nil {
		return Credentials{}, webIdentityError(err)
	}
	if r == nil {
		return Credentials{}, notAuthorized
	}
	if !a.open {
		who := Principal{Provider: arn}
		ask := Request{Principal: &who, Action: action, Resource: g.Role, Context: g.conditions()}
		for name, values := range claims.Text {
			if name == "aud" {
				values = []string{claims.Audience}
			}
			ask.Context.Set(oidc.Name(issuer)+":"+name, values...)
		}
		ask.Context.Set("aws:FederatedProvider", arn)
		if d, _ := r.Trust.evaluate(&ask); d != Allow {
			return Credentials{}, notAuthorized
		}
	}
	v := session{Account: r.Account, Role: r.Name, Name: g.Name, Provider: arn}
	c, err := a.issue(&v, &g, min(DefaultSession, r.longest()), r.longest())
	c.Subject, c.Audience, c.Provider = claims.Subject, claims.Audience, arn
	return c, err
}

// webIdentityError gives an error of oidc the name that AWS has for it.
func webIdentityError(err error) error {
	message := strings.TrimPrefix(err.Error(), "oidc: ")
	message = strings.ToUpper(message[:1]) + message[1:] + "."
	switch {
	case errors.Is(err, oidc.ErrExpired):
		return &Error{Code: "ExpiredTokenException", Status: 400, Message: message}
	case errors.Is(err, oidc.ErrUnreachable):
		// Addresses of the inside are not for clients.
		return &Error{Code: "IDPCommunicationError", Status: 400, Message: "The keys of the identity provider could not be fetched. Please try again."}
	}
	return &Error{Code: "InvalidIdentityToken", Status: 400, Message: message}
}

// ServiceRole is what a service is with a role, on behalf of one of its resources: the
// role's trust policy has to let it do sts:AssumeRole, with the conditions of context
// (aws:SourceArn, aws:SourceAccount). name is the session's. ErrAccessDenied also if
// there is no such role; in open mode there is any.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-service.html
func (a *Access) ServiceRole(service, arn, name string, context Context) (Principal, error) {
	r, err := a.role(arn)
	if err != nil {
		return Principal{}, err
	}
	who := OfService(service)
	if !a.open {
		if err := a.mayAssume(&who, r, &Grant{Role: arn, Name: name, Context: context}); err != nil {
			return Principal{}, err
		}
	}
	return Principal{
		Account: r.Account, ARN: sessionARN(r, name), UserID: uniqueID("AROA", r.Account, r.Name) + ":" + name, Policy: r.Policy,
		Session: &Session{Role: arn, Issued: a.now(), Expires: a.now().Add(MinSession)},
	}, nil
}

// SessionToken gives a user temporary credentials of its own.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
func (a *Access) SessionToken(p *Principal, g Grant) (Credentials, error) {
	if p.Session != nil {
		return Credentials{}, &Error{Code: ErrAccessDenied.Code, Status: 403, Message: "Cannot call GetSessionToken with session credentials"}
	}
	return a.issueToUser(p, session{}, &g)
}

// FederationToken gives a user's rights, as far as a session policy allows them,
// to somebody whom the user answers for.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
func (a *Access) FederationToken(p *Principal, g Grant) (Credentials, error) {
	if p.Session != nil {
		return Credentials{}, &Error{Code: ErrAccessDenied.Code, Status: 403, Message: "Cannot call GetFederationToken with session credentials"}
	}
	arn := "arn:aws:sts::" + p.Account + ":federated-user/" + g.Name
	if err := a.Authorize(Query{Principal: p, Action: "sts:GetFederationToken", Resource: arn, Account: p.Account, Context: g.conditions}); err != nil {
		return Credentials{}, err
	}
	return a.issueToUser(p, session{Name: g.Name, Tags: g.Tags, Federated: true}, &g)
}

func (a *Access) issueToUser(p *Principal, v session, g *Grant) (Credentials, error) {
	v.Account, v.Parent = p.Account, p.Key
	if p.IsRoot() && g.Duration > maxRoot {
		g.Duration = maxRoot // as AWS does, without a word
	}
	if p.IsRoot() {
		return a.issue(&v, g, maxRoot, maxUserSession)
	}
	return a.issue(&v, g, defaultUser, maxUserSession)
}

// issue completes the session and seals it.
func (a *Access) issue(v *session, g *Grant, usual, longest time.Duration) (Credentials, error) {
	sealer := a.sealer.Load()
	if sealer == nil {
		return Credentials{}, &Error{Code: "ServiceUnavailable", Status: 503, Message: "Temporary credentials cannot be issued yet. Please try again."}
	}
	d := g.Duration
	if d == 0 {
		d = usual
	}
	if d < MinSession {
		return Credentials{}, invalid("DurationSeconds must be 900 at least.")
	}
	if d > longest {
		return Credentials{}, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	packed, err := packedSize(g)
	if err != nil {
		return Credentials{}, err
	}
	now := a.now()
	v.Policy = g.Policy
	v.Key, v.Secret = newKey(v.Account), newSecret()
	v.Issued, v.Expires = now.Unix(), now.Add(d).Unix()
	token, err := sealer.seal(v)
	if err != nil {
		return Credentials{}, err
	}
	if len(token) > maxToken { // characters that JSON spells by six
		return Credentials{}, tooPacked()
	}
	h, err := a.restore(a.dir.Load(), v)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{
		Key: v.Key, Secret: v.Secret, Token: token, Expires: time.Unix(v.Expires, 0).UTC(),
		ARN: h.principal.ARN, UserID: h.principal.UserID, Packed: packed,
	}, nil
}

// packedSize checks session policy and tags, and says how much of the room for
// both they take, in percent.
func packedSize(g *Grant) (int, error) {
	if len(g.Tags) > maxTokenTags {
		return 0, invalid("A session can have 50 tags at most.")
	}
	size := len(g.Policy)
	if g.Policy != "" {
		if len(g.Policy) > maxTokenPolicy {
			return 0, invalid("The session policy can have 2,048 characters at most.")
		}
		if _, err := ParsePolicy([]byte(g.Policy), Identity); err != nil {
			return 0, &Error{Code: "MalformedPolicyDocument", Status: 400, Message: clip(err.Error()) + "."}
		}
	}
	if len(g.Tags) > 0 {
		text, err := json.Marshal(g.Tags)
		if err != nil {
			return 0, err
		}
		size += len(text)
	}
	if size > maxPacked {
		return 0, tooPacked()
	}
	return (100*size + maxPacked - 1) / maxPacked, nil
}

func tooPacked() error {
	return &Error{Code: "PackedPolicyTooLarge", Status: 400, Message: "Session policy and tags are larger than a token can hold."}
}

// KeyAccount is the account that an access key belongs to.
func (a *Access) KeyAccount(key string) (string, bool) {
	if h := a.dir.Load().keys[key]; h != nil {
		return h.principal.Account, true
	}
	if account, ok := keyAccount(key); ok {
		return account, true
	}
	switch {
	case a.open && IsAccount(key):
		return key, true
	case a.open:
		return a.account, true
	}
	return "", false
}
