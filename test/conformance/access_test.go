package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waystation/waystation/test/harness"
)

// The keys of the server that checks them. The reader and the limited user
// have identity policies; the others may do everything in their account.
const keysFile = `
keys:
  - {key: AKOWNER, secret: owner-secret, account: "111111111111", user: owner}
  - {key: AKOTHER, secret: other-secret, account: "222222222222", user: other}
  - key: AKREADER
    secret: reader-secret
    account: "111111111111"
    user: reader
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Action: ["sqs:ReceiveMessage", "sqs:Get*"]
          Resource: "arn:aws:sqs:*:111111111111:*"
  - key: AKLIMITED
    secret: limited-secret
    account: "111111111111"
    user: limited
    policy: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Effect":"Deny","Action":"sqs:DeleteQueue","Resource":"*"},{"Effect":"Deny","Action":"sqs:*","Resource":"arn:aws:sqs:us-east-1:111111111111:secret-*"}]}'
`

const (
	ownerAccount = "111111111111"
	otherAccount = "222222222222"
)

var (
	owner   = harness.As("AKOWNER", "owner-secret")
	other   = harness.As("AKOTHER", "other-secret")
	reader  = harness.As("AKREADER", "reader-secret")
	limited = harness.As("AKLIMITED", "limited-secret")
)

var guarded = sync.OnceValues(func() (*harness.Server, error) {
	dir, err := os.MkdirTemp("", "waystation-keys-")
	if err != nil {
		return nil, err
	}
	guardedData = dir
	keys := filepath.Join(dir, "keys.yaml")
	if err := os.WriteFile(keys, []byte(keysFile), 0o600); err != nil {
		return nil, err
	}
	return harness.Launch(harness.Options{Data: filepath.Join(dir, "data"), Args: []string{"--keys", keys}})
})

var guardedData string

// guardedURL is a server with a keys file.
func guardedURL(t *testing.T) string {
	t.Helper()
	s, err := guarded()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL()
}

func sendTo(t *testing.T, c *sqs.Client, url string) error {
	t.Helper()
	_, err := c.SendMessage(bound(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
	return err
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	if !strings.Contains(fmt.Sprint(err), fmt.Sprintf("StatusCode: %d", status)) {
		t.Errorf("error = %v, want status %d", err, status)
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	url := queue(t, harness.SQS(base, owner), nil)
	if !strings.Contains(url, "/"+ownerAccount+"/") {
		t.Errorf("QueueUrl = %s, want the key's account in it", url)
	}
	for what, test := range map[string]struct {
		as   harness.Client
		code string
	}{
		"wrong secret": {harness.As("AKOWNER", "guess"), "SignatureDoesNotMatch"},
		"no such key":  {harness.As("AKNOBODY", "x"), "InvalidClientTokenId"},
		"account key":  {harness.As(ownerAccount, "x"), "InvalidClientTokenId"},
	} {
		t.Run(what, func(t *testing.T) {
			err := sendTo(t, harness.SQS(base, test.as), url)
			wantCode(t, err, test.code)
			wantStatus(t, err, http.StatusForbidden)
		})
	}
	t.Run("no signature", func(t *testing.T) {
		err := sendTo(t, harness.SQS(base, func(o *sqs.Options) { o.Credentials = aws.AnonymousCredentials{} }), url)
		wantCode(t, err, "MissingAuthenticationToken", codeDenied)
		wantStatus(t, err, http.StatusForbidden)
	})
	for what, skew := range map[string]time.Duration{"old": -20 * time.Minute, "from the future": 20 * time.Minute} {
		t.Run(what, func(t *testing.T) {
			c := harness.SQS(base, owner, func(o *sqs.Options) { o.HTTPSignerV4 = skewed{v4.NewSigner(), skew} })
			wantCode(t, sendTo(t, c, url), "SignatureDoesNotMatch", "RequestExpired")
		})
	}
	t.Run("body changed on the way", func(t *testing.T) {
		c := harness.SQS(base, owner, func(o *sqs.Options) { o.HTTPClient = tamper{harness.HTTP()} })
		wantCode(t, sendTo(t, c, url), "SignatureDoesNotMatch")
	})
	wantCounts(t, harness.SQS(base, owner), url, "0", "0", "0")
}

// skewed signs with another time.
type skewed struct {
	next sqs.HTTPSignerV4
	by   time.Duration
}

func (s skewed) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions)) error {
	return s.next.SignHTTP(ctx, c, r, hash, service, region, at.Add(s.by), opts...)
}

// tamper replaces the body after the request was signed.
type tamper struct{ next *http.Client }

func (p tamper) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"x"`, `"y"`, 1)))
	return p.next.Do(r)
}

func TestIdentityPolicies(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	o := harness.SQS(base, owner)
	url := queue(t, o, nil)
	if err := sendTo(t, o, url); err != nil {
		t.Fatal(err)
	}
	r := harness.SQS(base, reader)
	one(t, r, url)
	attributes(t, r, url, "All")
	wantCode(t, sendTo(t, r, url), codeDenied)
	_, err := r.DeleteQueue(bound(t), &sqs.DeleteQueueInput{QueueUrl: &url})
	wantCode(t, err, codeDenied)
	_, err = r.ListQueues(bound(t), &sqs.ListQueuesInput{})
	wantCode(t, err, codeDenied)

	l := harness.SQS(base, limited)
	if err := sendTo(t, l, url); err != nil {
		t.Errorf("allowed by sqs:*: %v", err)
	}
	_, err = l.DeleteQueue(bound(t), &sqs.DeleteQueueInput{QueueUrl: &url})
	wantCode(t, err, codeDenied)
	_, err = l.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: aws.String("secret-plans")})
	wantCode(t, err, codeDenied)
}

func TestOtherAccounts(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	o, x := harness.SQS(base, owner), harness.SQS(base, other)
	n := name(t, "")
	created, err := o.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n})
	if err != nil {
		t.Fatal(err)
	}
	url := *created.QueueUrl
	wantCode(t, sendTo(t, x, url), codeDenied, codeNoQueue)
	_, err = x.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n})
	wantError[*types.QueueDoesNotExist](t, err, codeNoQueue) // in its own account

	permit := func(label string, accounts, actions []string) error {
		_, err := o.AddPermission(bound(t), &sqs.AddPermissionInput{QueueUrl: &url, Label: &label, AWSAccountIds: accounts, Actions: actions})
		return err
	}
	if err := permit("let-send", []string{otherAccount}, []string{"SendMessage", "GetQueueUrl"}); err != nil {
		t.Fatal(err)
	}
	if err := sendTo(t, x, url); err != nil {
		t.Errorf("after AddPermission: %v", err)
	}
	got, err := x.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n, QueueOwnerAWSAccountId: aws.String(ownerAccount)})
	if err != nil || *got.QueueUrl != url {
		t.Errorf("GetQueueUrl of the owner's = %v, %v", got, err)
	}
	_, err = x.ReceiveMessage(bound(t), &sqs.ReceiveMessageInput{QueueUrl: &url})
	wantCode(t, err, codeDenied)
	_, err = x.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"DelaySeconds": "1"}})
	wantCode(t, err, codeDenied)

	var policy struct {
		Statement []struct {
			Sid, Effect, Resource string
			Action, Principal     any
		}
	}
	if err := json.Unmarshal([]byte(attributes(t, o, url, "Policy")["Policy"]), &policy); err != nil {
		t.Fatal(err)
	}
	if len(policy.Statement) != 1 || policy.Statement[0].Sid != "let-send" || policy.Statement[0].Effect != "Allow" || policy.Statement[0].Resource != arn(t, o, url) {
		t.Errorf("policy = %+v", policy)
	}
	wantCode(t, permit("let-send", []string{otherAccount}, []string{"SendMessage"}), codeBadValue)
	wantCode(t, permit("bad action", []string{otherAccount}, []string{"Nonsense"}), codeBadValue)
	wantCode(t, permit("l2", []string{otherAccount}, []string{"Nonsense"}), codeBadValue)
	wantCode(t, permit("l3", []string{"nonsense"}, []string{"SendMessage"}), codeBadValue)
	wantCode(t, permit("l4", []string{otherAccount}, []string{"CreateQueue"}), codeBadValue)
	eight := []string{"SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue"}
	wantError[*types.OverLimit](t, permit("l5", []string{otherAccount}, eight), codeOverLimit)

	forget := func(label string) error {
		_, err := o.RemovePermission(bound(t), &sqs.RemovePermissionInput{QueueUrl: &url, Label: &label})
		return err
	}
	wantCode(t, forget("absent"), codeBadValue)
	if err := forget("let-send"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, sendTo(t, x, url), codeDenied)
	if p, there := attributes(t, o, url, "All")["Policy"]; there && strings.Contains(p, "let-send") {
		t.Errorf("policy after RemovePermission = %s", p)
	}
}

func TestQueuePolicies(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	o, x := harness.SQS(base, owner), harness.SQS(base, other)
	url := queue(t, o, nil)
	set := func(statements string) {
		t.Helper()
		p := strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[`+statements+`]}`, "QUEUE", arn(t, o, url))
		if _, err := o.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"Policy": p}}); err != nil {
			t.Fatal(err)
		}
	}
	allow := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"sqs:*Message","Resource":"QUEUE"}`
	set(allow)
	if err := sendTo(t, x, url); err != nil {
		t.Errorf("allowed by wildcard: %v", err)
	}
	one(t, x, url)
	_, err := x.GetQueueAttributes(bound(t), &sqs.GetQueueAttributesInput{QueueUrl: &url})
	wantCode(t, err, codeDenied)
	set(allow + `,{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}`)
	wantCode(t, sendTo(t, x, url), codeDenied)
	wantCode(t, sendTo(t, o, url), codeDenied) // an explicit deny wins over one's own account
	set(`{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"QUEUE","Condition":{"StringEquals":{"aws:PrincipalAccount":"333333333333"}}}`)
	wantCode(t, sendTo(t, x, url), codeDenied)
	set(`{"Effect":"Allow","Principal":"*","Action":"SQS:SendMessage","Resource":"QUEUE"}`)
	if err := sendTo(t, x, url); err != nil {
		t.Errorf("allowed to everybody: %v", err)
	}
	// AddPermission adds to a policy that is there.
	if _, err := o.AddPermission(bound(t), &sqs.AddPermissionInput{QueueUrl: &url, Label: aws.String("more"), AWSAccountIds: []string{otherAccount}, Actions: []string{"*"}}); err != nil {
		t.Fatal(err)
	}
	attributes(t, x, url, "QueueArn")
}

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	ask := func(base, key, secret string) (*sts.GetCallerIdentityOutput, error) {
		c := sts.New(sts.Options{
			Region: harness.Region, BaseEndpoint: &base, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		})
		return c.GetCallerIdentity(bound(t), &sts.GetCallerIdentityInput{})
	}
	for key, want := range map[string]string{"test": account, "123412341234": "123412341234"} {
		out, err := ask(endpoint(t), key, "any")
		if err != nil || *out.Account != want || !strings.HasPrefix(*out.Arn, "arn:aws:") || aws.ToString(out.UserId) == "" {
			t.Errorf("open server, key %s: %+v, %v; want account %s", key, out, err, want)
		}
	}
	base := guardedURL(t)
	out, err := ask(base, "AKOWNER", "owner-secret")
	if err != nil || *out.Account != ownerAccount || *out.Arn != "arn:aws:iam::"+ownerAccount+":user/owner" {
		t.Errorf("GetCallerIdentity = %+v, %v", out, err)
	}
	_, err = ask(base, "AKOWNER", "guess")
	wantCode(t, err, "SignatureDoesNotMatch")
	_, err = ask(base, "AKNOBODY", "x")
	wantCode(t, err, "InvalidClientTokenId")
}
