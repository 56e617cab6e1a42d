package awsapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

const (
	account = "123456789012"
	keyID   = "AKIACONDITIONS000001"
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// condition is a key with a value that a request has.
type condition struct {
	api   string // that declares it, "": any request has it
	key   string
	value string     // StringLike
	with  url.Values // what the request needs to have it
}

var conditions = []condition{
	{"sts", "sts:ExternalId", "42", url.Values{"ExternalId": {"42"}}},
	{"sts", "sts:RoleSessionName", "one", url.Values{"RoleSessionName": {"one"}}},
	{"sts", "sts:SourceIdentity", "me", url.Values{"SourceIdentity": {"me"}}},
	{"sts", "aws:RequestTag/team", "a", url.Values{"Tags.member.1.Key": {"team"}, "Tags.member.1.Value": {"a"}}},
	{"sts", "aws:TagKeys", "team", url.Values{"Tags.member.1.Key": {"team"}, "Tags.member.1.Value": {"a"}}},
	{"", "aws:SecureTransport", "false", nil},
	{"", "aws:CurrentTime", "20*Z", nil},
	{"", "aws:EpochTime", "1*", nil},
	{"", "aws:RequestedRegion", "eu-west-1", nil},
	{"", "aws:SourceIp", "192.0.2.1", nil},
	{"", "aws:UserAgent", "agent", nil},
	{"", "aws:Referer", "https://app.example/", nil},
	{"", "aws:PrincipalArn", "arn:aws:iam::" + account + ":user/ann", nil},
	{"", "aws:PrincipalAccount", account, nil},
	{"", "aws:PrincipalType", "User", nil},
	{"", "aws:PrincipalIsAWSService", "false", nil},
	{"", "aws:userid", "*", nil},
	{"", "aws:username", "ann", nil},
}

// assume asks to assume a role whose trust policy has the condition, and gives the
// status.
func assume(t *testing.T, condition string, form url.Values) int {
	t.Helper()
	trust, err := access.ParsePolicy(fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Principal":{"AWS":"arn:aws:iam::%s:user/ann"},"Action":"sts:*","Condition":%s}}`, account, condition), access.Resource)
	if err != nil {
		t.Fatal(err)
	}
	who, err := access.New(access.Config{
		Credentials: []access.Credential{{Key: keyID, Secret: secret, Account: account, User: "ann"}},
		Roles:       []access.Role{{Name: "worker", Account: account, Trust: trust}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := who.SetSecret([]byte(strings.Repeat("s", 32))); err != nil {
		t.Fatal(err)
	}
	h, err := protocol.NewHandler(protocol.Config{APIs: All(Needs{STS: who}), Access: who})
	if err != nil {
		t.Fatal(err)
	}
	all := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + account + ":role/worker"}, "RoleSessionName": {"another"}}
	for k, v := range form {
		all[k] = v
	}
	body := all.Encode()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "agent")
	r.Header.Set("Referer", "https://app.example/")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r,
		hex.EncodeToString(sum[:]), "sts", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 && w.Code != 403 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Code
}

// TestConditionKeys: a policy that asks for a condition key sees the request's value,
// for each key that an API declares and for those that any request has.
func TestConditionKeys(t *testing.T) {
	t.Parallel()
	for _, c := range conditions {
		if code := assume(t, fmt.Sprintf(`{"StringLike":{%q:%q}}`, c.key, c.value), c.with); code != 200 {
			t.Errorf("%s is not %s in the request", c.key, c.value)
		}
		if code := assume(t, fmt.Sprintf(`{"StringLike":{%q:"something else"}}`, c.key), c.with); code != 403 {
			t.Errorf("%s is anything in the request", c.key)
		}
		if c.with == nil {
			continue
		}
		if code := assume(t, fmt.Sprintf(`{"StringLike":{%q:%q}}`, c.key, c.value), nil); code != 403 {
			t.Errorf("%s is %s in a request without it", c.key, c.value)
		}
	}
}

// TestDeclaredConditionKeys: the keys that the tables declare are those that
// TestConditionKeys has evaluated.
func TestDeclaredConditionKeys(t *testing.T) {
	t.Parallel()
	var declared, evaluated []string
	for _, api := range All(Needs{}) {
		keys := api.ConditionKeys
		for i := range api.Operations {
			keys = append(slices.Clip(keys), api.Operations[i].ConditionKeys...)
		}
		for _, k := range keys {
			declared = append(declared, api.Name+" "+k)
		}
	}
	for _, c := range conditions {
		if key, _, _ := strings.Cut(c.key, "/"); c.api != "" {
			evaluated = append(evaluated, c.api+" "+key)
		}
	}
	// TestSubscribeConditions of package sns.
	evaluated = append(evaluated, "sns sns:Endpoint", "sns sns:Protocol")
	// TestConditions of package events.
	evaluated = append(evaluated, "events events:source", "events events:detail-type", "events events:TargetArn")
	slices.Sort(declared)
	slices.Sort(evaluated)
	if declared, evaluated = slices.Compact(declared), slices.Compact(evaluated); !slices.Equal(declared, evaluated) {
		t.Errorf("declared:  %q\nevaluated: %q", declared, evaluated)
	}
}
