package sts

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// issuer notes what is asked of it.
type issuer struct {
	grant access.Grant
	token string
}

var issued = access.Credentials{
	Key: "ASIAKEY", Secret: "secret", Token: "token", Expires: time.Unix(1_800_000_000, 0), ARN: "arn:session", UserID: "AROA:one", Packed: 7,
	Subject: "sub", Audience: "aud", Provider: "prov",
}

func (i *issuer) AssumeRole(_ *access.Principal, g access.Grant) (access.Credentials, error) {
	i.grant = g
	return issued, nil
}

func (i *issuer) AssumeRoleWithWebIdentity(_ context.Context, token string, g access.Grant) (access.Credentials, error) {
	i.grant, i.token = g, token
	return issued, nil
}

func (i *issuer) SessionToken(_ *access.Principal, g access.Grant) (access.Credentials, error) {
	i.grant = g
	return issued, nil
}

func (i *issuer) FederationToken(_ *access.Principal, g access.Grant) (access.Credentials, error) {
	i.grant = g
	return issued, nil
}

func (*issuer) KeyAccount(key string) (string, bool) {
	return "123456789012", strings.HasPrefix(key, "AK")
}

const role = "arn:aws:iam::123456789012:role/worker"

func ptr[T any](v T) *T { return &v }

func TestInputsReachAccess(t *testing.T) {
	t.Parallel()
	i := &issuer{}
	s := &service{access: i}
	c := &protocol.Call{Principal: access.Root("123456789012"), Region: "eu-west-1", SourceIP: "10.0.0.1"}
	out, err := s.assumeRole(t.Context(), c, &assumeRoleInput{RoleArn: role, RoleSessionName: "one", DurationSeconds: ptr(int32(900)),
		Policy: "{}", ExternalId: "42", SourceIdentity: "me", Tags: []tag{{"team", "a"}, {"empty", ""}}})
	if err != nil || out.Credentials.SessionToken != "token" || out.AssumedRoleUser.Arn != "arn:session" || *out.PackedPolicySize != 7 || out.SourceIdentity != "me" {
		t.Errorf("%+v, %v", out, err)
	}
	if g := i.grant; g.Role != role || g.Name != "one" || g.Duration != 15*time.Minute || g.Policy != "{}" || g.ExternalID != "42" ||
		len(g.Tags) != 2 || g.Tags["team"] != "a" || g.Context["aws:SourceIp"][0] != "10.0.0.1" {
		t.Errorf("asked for %+v", g)
	}
	if out, err := s.assumeRole(t.Context(), c, &assumeRoleInput{RoleArn: role, RoleSessionName: "one"}); err != nil || out.PackedPolicySize != nil || i.grant.Duration != 0 {
		t.Errorf("nothing packed: %+v, %v", out, err)
	}
	web, err := s.assumeRoleWithWebIdentity(t.Context(), c, &webIdentityInput{RoleArn: role, RoleSessionName: "one", WebIdentityToken: "a.b.c"})
	if err != nil || web.SubjectFromWebIdentityToken != "sub" || web.Audience != "aud" || web.Provider != "prov" || i.token != "a.b.c" {
		t.Errorf("%+v, %v", web, err)
	}
	fed, err := s.federationToken(t.Context(), c, &federationTokenInput{Name: "guest", DurationSeconds: ptr(int32(129_600))})
	if err != nil || fed.FederatedUser.FederatedUserId != "AROA:one" || i.grant.Name != "guest" || i.grant.Duration != 36*time.Hour {
		t.Errorf("%+v, %v", fed, err)
	}
	if got, err := s.sessionToken(t.Context(), c, &sessionTokenInput{}); err != nil || got.Credentials.AccessKeyId != "ASIAKEY" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.accessKeyInfo(t.Context(), c, &accessKeyInfoInput{AccessKeyId: "AKIAORDERS0000000001"}); err != nil || got.Account != "123456789012" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestInputsRefused(t *testing.T) {
	t.Parallel()
	s := &service{access: &issuer{}}
	c := &protocol.Call{Principal: access.Root("123456789012")}
	assume := func(change func(*assumeRoleInput)) error {
		in := &assumeRoleInput{RoleArn: role, RoleSessionName: "one"}
		change(in)
		_, err := s.assumeRole(t.Context(), c, in)
		return err
	}
	web := func(change func(*webIdentityInput)) error {
		in := &webIdentityInput{RoleArn: role, RoleSessionName: "one", WebIdentityToken: "a.b.c"}
		change(in)
		_, err := s.assumeRoleWithWebIdentity(t.Context(), c, in)
		return err
	}
	many := make([]tag, 51)
	_, name := s.federationToken(t.Context(), c, &federationTokenInput{Name: "a b"})
	_, mfa := s.sessionToken(t.Context(), c, &sessionTokenInput{SerialNumber: "x"})
	_, long := s.sessionToken(t.Context(), c, &sessionTokenInput{DurationSeconds: ptr(int32(129_601))})
	_, key := s.accessKeyInfo(t.Context(), c, &accessKeyInfoInput{AccessKeyId: "unknown-key"})
	_, unknown := s.accessKeyInfo(t.Context(), c, &accessKeyInfoInput{AccessKeyId: "UNKNOWN0000000000001"})
	for what, tt := range map[string]struct {
		err           error
		code, message string
	}{
		"nothing": {assume(func(in *assumeRoleInput) { *in = assumeRoleInput{} }), "ValidationError",
			"2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"},
		"duration": {assume(func(in *assumeRoleInput) { in.DurationSeconds = ptr(int32(10)) }), "ValidationError",
			"1 validation error detected: Value '10' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		"name": {assume(func(in *assumeRoleInput) { in.RoleSessionName = "a/b" }), "ValidationError",
			`1 validation error detected: Value 'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		"short name":     {assume(func(in *assumeRoleInput) { in.RoleSessionName = "a" }), "ValidationError", "greater than or equal to 2"},
		"long value":     {assume(func(in *assumeRoleInput) { in.RoleSessionName = strings.Repeat("x", 1<<20) }), "ValidationError", "less than or equal to 64"},
		"policy":         {assume(func(in *assumeRoleInput) { in.Policy = strings.Repeat("x", 2049) }), "ValidationError", "'policy'"},
		"tags":           {assume(func(in *assumeRoleInput) { in.Tags = many }), "ValidationError", "51 tags"},
		"tag twice":      {assume(func(in *assumeRoleInput) { in.Tags = []tag{{"a", ""}, {"a", "b"}} }), "ValidationError", "tags.2.member.key"},
		"tag otherwise":  {assume(func(in *assumeRoleInput) { in.Tags = []tag{{"Team", "a"}, {"other", "c"}, {"tEAM", "b"}} }), "ValidationError", "tags.3.member.key"},
		"managed policy": {assume(func(in *assumeRoleInput) { in.PolicyArns = []policyARN{{"arn"}} }), "ValidationError", "PolicyArns"},
		"transitive":     {assume(func(in *assumeRoleInput) { in.TransitiveTagKeys = []string{"a"} }), "ValidationError", "TransitiveTagKeys"},
		"contexts":       {assume(func(in *assumeRoleInput) { in.ProvidedContexts = []providedContext{{}} }), "ValidationError", "ProvidedContexts"},
		"device":         {assume(func(in *assumeRoleInput) { in.TokenCode = "123456" }), "AccessDenied", "MultiFactorAuthentication"},
		"external id":    {assume(func(in *assumeRoleInput) { in.ExternalId = "a b" }), "ValidationError", "externalId"},
		"no token":       {web(func(in *webIdentityInput) { in.WebIdentityToken = "" }), "ValidationError", "webIdentityToken"},
		"OAuth":          {web(func(in *webIdentityInput) { in.ProviderId = "www.amazon.com" }), "ValidationError", "ProviderId"},
		"federated name": {name, "ValidationError", "'name'"},
		"device of user": {mfa, "AccessDenied", "MultiFactorAuthentication"},
		"too long":       {long, "ValidationError", "129600"},
		"key":            {key, "ValidationError", "accessKeyId"},
		"unknown key":    {unknown, "InvalidClientTokenId", "no such access key"},
	} {
		var e *protocol.Error
		if !errors.As(tt.err, &e) || e.Code != tt.code || !strings.Contains(e.Message, tt.message) || len(e.Message) > 1000 {
			t.Errorf("%s:\ngot  %v\nwant %s: %s", what, tt.err, tt.code, tt.message)
		}
	}
}
