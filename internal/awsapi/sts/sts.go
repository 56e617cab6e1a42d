package sts

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// Access issues and knows credentials; *access.Access has these methods.
type Access interface {
	AssumeRole(p *access.Principal, g access.Grant) (access.Credentials, error)
	AssumeRoleWithWebIdentity(ctx context.Context, token string, g access.Grant) (access.Credentials, error)
	SessionToken(p *access.Principal, g access.Grant) (access.Credentials, error)
	FederationToken(p *access.Principal, g access.Grant) (access.Credentials, error)
	KeyAccount(key string) (account string, ok bool)
}

// service has the handlers.
type service struct{ access Access }

// New makes the table of operations, served with a; the table can be had without.
func New(a Access) *protocol.API {
	s := &service{access: a}
	return &protocol.API{
		Name:          "sts",
		Title:         "Security Token Service",
		Version:       "2011-06-15",
		Target:        "AWSSecurityTokenServiceV20110615",
		JSON:          "1.1",
		Namespace:     "https://sts.amazonaws.com/doc/2011-06-15/",
		ConditionKeys: []string{"sts:ExternalId", "sts:RoleSessionName", "sts:SourceIdentity", "aws:RequestTag", "aws:TagKeys"},
		Operations:    s.operations(),
	}
}

func (s *service) operations() []protocol.Operation {
	note := protocol.WithNote
	size := protocol.Without("Tokens have no size that a caller could set, and carry nothing that could fill them.",
		"MinimumSessionTokenSize", "SessionTokenSize", "SessionTokenUtilization")
	return []protocol.Operation{
		protocol.Op("AssumeRole", s.assumeRole, size,
			protocol.PartlyWorks("Roles and their trust policies are those of the keys file. PolicyArns, ProvidedContexts and MFA are refused; TransitiveTagKeys too.")),
		protocol.Missing("AssumeRoleWithSAML", "Use AssumeRoleWithWebIdentity: providers of OpenID Connect are what the keys file knows."),
		protocol.Op("AssumeRoleWithWebIdentity", s.assumeRoleWithWebIdentity, protocol.AllowAnonymous(), size,
			protocol.Without("Contexts of other identity providers are not passed on.", "TrustedIdentityPropagationContext"),
			protocol.PartlyWorks("With ID tokens of the OpenID Connect providers of the keys file. PolicyArns and ProviderId (OAuth 2.0) are refused.")),
		protocol.Missing("AssumeRoot", "There is no organization whose member accounts could be entered; no policy can lock out an account's root here."),
		protocol.Missing("DecodeAuthorizationMessage", "Refusals are plain text here: nothing is encoded in them."),
		protocol.Op("GetAccessKeyInfo", s.accessKeyInfo,
			note("For keys of the keys file and for temporary ones.")),
		protocol.Op("GetCallerIdentity", callerIdentity,
			note("For any key that can sign; no policy can forbid it. Query and JSON 1.1.")),
		protocol.Missing("GetDelegatedAccessToken", "Tokens for partners' products: there are none."),
		protocol.Op("GetFederationToken", s.federationToken, size,
			protocol.PartlyWorks("PolicyArns are refused.")),
		protocol.Missing("GetScopedCredentials", "Assume a role with a session policy instead: it narrows what the credentials may do."),
		protocol.Op("GetSessionToken", s.sessionToken, size,
			protocol.PartlyWorks("MFA is refused: keys have no device.")),
		protocol.Missing("GetWebIdentityToken", "Waystation is no identity provider to others."),
	}
}

// callerIdentity answers who calls.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func callerIdentity(_ context.Context, c *protocol.Call, _ *protocol.Empty) (*callerIdentityOutput, error) {
	p := &c.Principal
	if p.Anonymous {
		return nil, access.ErrMissingToken
	}
	return &callerIdentityOutput{Account: p.Account, Arn: p.ARN, UserId: p.UserID}, nil
}

func (s *service) assumeRole(_ context.Context, c *protocol.Call, in *assumeRoleInput) (*assumeRoleOutput, error) {
	var v problems
	v.role(in.RoleArn)
	v.sessionName("roleSessionName", in.RoleSessionName)
	v.duration(in.DurationSeconds, maxRoleSeconds)
	v.policy(in.Policy)
	tags := v.tags(in.Tags)
	if in.ExternalId != "" {
		v.Pattern("externalId", in.ExternalId, 2, 1224, `[\w+=,.@:\/-]*`, `+=,.@:/-`)
	}
	if in.SourceIdentity != "" {
		v.sessionName("sourceIdentity", in.SourceIdentity)
	}
	if err := v.error(); err != nil {
		return nil, err
	}
	switch {
	case len(in.PolicyArns) > 0:
		return nil, unsupported("PolicyArns", "there are no managed policies: give Policy")
	case len(in.TransitiveTagKeys) > 0:
		return nil, unsupported("TransitiveTagKeys", "give the tags to each role")
	case len(in.ProvidedContexts) > 0:
		return nil, unsupported("ProvidedContexts", "leave it out")
	case in.SerialNumber != "" || in.TokenCode != "":
		return nil, noMFA()
	}
	g := access.Grant{
		Role: in.RoleArn, Name: in.RoleSessionName, Duration: seconds(in.DurationSeconds), Policy: in.Policy, Tags: tags,
		SourceIdentity: in.SourceIdentity, ExternalID: in.ExternalId, Context: c.Conditions(),
	}
	got, err := s.access.AssumeRole(&c.Principal, g)
	if err != nil {
		return nil, err
	}
	return &assumeRoleOutput{
		Credentials: shown(&got), AssumedRoleUser: &assumedRoleUser{AssumedRoleId: got.UserID, Arn: got.ARN},
		PackedPolicySize: packed(&got, in.Policy, tags), SourceIdentity: in.SourceIdentity,
	}, nil
}

func (s *service) assumeRoleWithWebIdentity(ctx context.Context, c *protocol.Call, in *webIdentityInput) (*webIdentityOutput, error) {
	var v problems
	v.role(in.RoleArn)
	v.sessionName("roleSessionName", in.RoleSessionName)
	v.duration(in.DurationSeconds, maxRoleSeconds)
	v.policy(in.Policy)
	v.Length("webIdentityToken", in.WebIdentityToken, 4, 20_000)
	if err := v.error(); err != nil {
		return nil, err
	}
	switch {
	case len(in.PolicyArns) > 0:
		return nil, unsupported("PolicyArns", "there are no managed policies: give Policy")
	case in.ProviderId != "":
		return nil, unsupported("ProviderId", "it is for OAuth 2.0 access tokens: give an ID token of an OpenID Connect provider")
	}
	got, err := s.access.AssumeRoleWithWebIdentity(ctx, in.WebIdentityToken, access.Grant{
		Role: in.RoleArn, Name: in.RoleSessionName, Duration: seconds(in.DurationSeconds), Policy: in.Policy, Context: c.Conditions(),
	})
	if err != nil {
		return nil, err
	}
	return &webIdentityOutput{
		Credentials: shown(&got), AssumedRoleUser: &assumedRoleUser{AssumedRoleId: got.UserID, Arn: got.ARN},
		PackedPolicySize: packed(&got, in.Policy, nil), SubjectFromWebIdentityToken: got.Subject, Audience: got.Audience, Provider: got.Provider,
	}, nil
}

func (s *service) sessionToken(_ context.Context, c *protocol.Call, in *sessionTokenInput) (*sessionTokenOutput, error) {
	var v problems
	v.duration(in.DurationSeconds, maxUserSeconds)
	if err := v.error(); err != nil {
		return nil, err
	}
	if in.SerialNumber != "" || in.TokenCode != "" {
		return nil, noMFA()
	}
	got, err := s.access.SessionToken(&c.Principal, access.Grant{Duration: seconds(in.DurationSeconds), Context: c.Conditions()})
	if err != nil {
		return nil, err
	}
	return &sessionTokenOutput{Credentials: shown(&got)}, nil
}

func (s *service) federationToken(_ context.Context, c *protocol.Call, in *federationTokenInput) (*federationTokenOutput, error) {
	var v problems
	v.Pattern("name", in.Name, 2, 32, `[\w+=,.@-]*`, `+=,.@-`)
	v.duration(in.DurationSeconds, maxUserSeconds)
	v.policy(in.Policy)
	tags := v.tags(in.Tags)
	if err := v.error(); err != nil {
		return nil, err
	}
	if len(in.PolicyArns) > 0 {
		return nil, unsupported("PolicyArns", "there are no managed policies: give Policy")
	}
	got, err := s.access.FederationToken(&c.Principal, access.Grant{
		Name: in.Name, Duration: seconds(in.DurationSeconds), Policy: in.Policy, Tags: tags, Context: c.Conditions(),
	})
	if err != nil {
		return nil, err
	}
	return &federationTokenOutput{
		Credentials: shown(&got), FederatedUser: &federatedUser{FederatedUserId: got.UserID, Arn: got.ARN},
		PackedPolicySize: packed(&got, in.Policy, tags),
	}, nil
}

func (s *service) accessKeyInfo(_ context.Context, _ *protocol.Call, in *accessKeyInfoInput) (*accessKeyInfoOutput, error) {
	var v problems
	v.Pattern("accessKeyId", in.AccessKeyId, 12, 128, `[\w]*`, "") // AWS asks for 16; the keys file does not
	if err := v.error(); err != nil {
		return nil, err
	}
	account, ok := s.access.KeyAccount(in.AccessKeyId)
	if !ok {
		return nil, &protocol.Error{Code: "InvalidClientTokenId", Status: 403, Message: "There is no such access key."}
	}
	return &accessKeyInfoOutput{Account: account}, nil
}

func seconds(n *int32) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * time.Second
}

func shown(c *access.Credentials) *credentials {
	return &credentials{AccessKeyId: c.Key, SecretAccessKey: c.Secret, SessionToken: c.Token, Expiration: c.Expires}
}

// packed is only told when there is something to pack.
func packed(c *access.Credentials, policy string, tags map[string]string) *int32 {
	if policy == "" && len(tags) == 0 {
		return nil
	}
	n := int32(c.Packed)
	return &n
}
