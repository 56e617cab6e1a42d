package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/waystation/waystation/test/harness"
)

// identityProvider is an OpenID Connect issuer on loopback, such as a cluster's or
// a CI system's.
func identityProvider(t *testing.T) (url string, token func(claims map[string]any) string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: "one", Algorithm: string(jose.ES256), Use: "sig"}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, s.URL, s.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}); err != nil {
			t.Error(err)
		}
	})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, func(claims map[string]any) string {
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// stsClient is an SDK client of STS that does not retry.
func stsClient(base string, provider aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{Region: harness.Region, BaseEndpoint: &base, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{}, Credentials: provider})
}

func using(p aws.CredentialsProvider) harness.Client {
	return func(o *sqs.Options) { o.Credentials = p }
}

// TestTemporaryCredentials has workloads without keys of their own get some and use
// them: with the SDK's own providers, as they are configured everywhere.
func TestTemporaryCredentials(t *testing.T) {
	t.Parallel()
	issuer, token := identityProvider(t)
	host := strings.TrimPrefix(issuer, "http://")
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	text := `
keys:
  - {key: AKOWNER, secret: owner-secret, account: "111111111111", user: owner}
providers:
  - {issuer: "` + issuer + `", account: "111111111111", audiences: [sts.amazonaws.com]}
roles:
  - role: sender
    account: "111111111111"
    policy: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: ["sqs:SendMessage", "sqs:GetQueueUrl"], Resource: "*"}]}
    trust:
      Version: 2012-10-17
      Statement:
        - {Effect: Allow, Principal: {AWS: "111111111111"}, Action: sts:AssumeRole}
        - Effect: Allow
          Principal: {Federated: "arn:aws:iam::111111111111:oidc-provider/` + host + `"}
          Action: sts:AssumeRoleWithWebIdentity
          Condition: {StringLike: {"` + host + `:sub": "repo:orders:*"}, StringEquals: {"` + host + `:aud": sts.amazonaws.com}}
`
	if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := harness.Start(t, harness.Options{Args: []string{"--keys", keys}})
	base := server.URL()
	static := credentials.NewStaticCredentialsProvider("AKOWNER", "owner-secret", "")
	url := queue(t, harness.SQS(base, using(static)), nil)
	const role = "arn:aws:iam::111111111111:role/sender"

	mayOnlySend := func(t *testing.T, p aws.CredentialsProvider) {
		t.Helper()
		c := harness.SQS(base, using(p))
		if err := sendTo(t, c, url); err != nil {
			t.Error(err)
		}
		_, err := c.ReceiveMessage(bound(t), &sqs.ReceiveMessageInput{QueueUrl: &url})
		wantCode(t, err, codeDenied)
	}
	identity := func(t *testing.T, p aws.CredentialsProvider, arn string) {
		t.Helper()
		out, err := stsClient(base, p).GetCallerIdentity(bound(t), &sts.GetCallerIdentityInput{})
		if err != nil || *out.Arn != arn || *out.Account != "111111111111" {
			t.Errorf("%+v, %v; want %s", out, err, arn)
		}
	}

	t.Run("AssumeRole", func(t *testing.T) {
		t.Parallel()
		p := stscreds.NewAssumeRoleProvider(stsClient(base, static), role, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "one" })
		mayOnlySend(t, p)
		identity(t, p, "arn:aws:sts::111111111111:assumed-role/sender/one")
	})
	t.Run("AssumeRoleWithWebIdentity", func(t *testing.T) {
		t.Parallel()
		get := func(claims map[string]any) aws.CredentialsProvider {
			file := filepath.Join(t.TempDir(), "token")
			all := map[string]any{"iss": issuer, "aud": "sts.amazonaws.com", "sub": "repo:orders:main", "exp": time.Now().Add(time.Hour).Unix()}
			for k, v := range claims {
				all[k] = v
			}
			if err := os.WriteFile(file, []byte(token(all)), 0o600); err != nil {
				t.Fatal(err)
			}
			return stscreds.NewWebIdentityRoleProvider(stsClient(base, aws.AnonymousCredentials{}), role, stscreds.IdentityTokenFile(file),
				func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "ci" })
		}
		p := get(nil)
		mayOnlySend(t, p)
		identity(t, p, "arn:aws:sts::111111111111:assumed-role/sender/ci")
		for code, claims := range map[string]map[string]any{
			"AccessDenied":          {"sub": "repo:other:main"},
			"InvalidIdentityToken":  {"aud": "other"},
			"ExpiredTokenException": {"exp": time.Now().Add(-time.Hour).Unix()},
		} {
			_, err := get(claims).Retrieve(bound(t))
			wantCode(t, err, code)
		}
		_, err := get(map[string]any{"iss": "https://other.example"}).Retrieve(bound(t))
		wantCode(t, err, "InvalidIdentityToken")
	})
	t.Run("GetSessionToken", func(t *testing.T) {
		t.Parallel()
		out, err := stsClient(base, static).GetSessionToken(bound(t), &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
		if err != nil {
			t.Fatal(err)
		}
		c := out.Credentials
		if left := time.Until(*c.Expiration); left < 14*time.Minute || left > 15*time.Minute {
			t.Errorf("expires in %v", left)
		}
		p := credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
		identity(t, p, "arn:aws:iam::111111111111:user/owner")
		attributes(t, harness.SQS(base, using(p)), url, "All")
		_, err = stsClient(base, p).GetSessionToken(bound(t), &sts.GetSessionTokenInput{})
		wantCode(t, err, "AccessDenied")
		info, err := stsClient(base, static).GetAccessKeyInfo(bound(t), &sts.GetAccessKeyInfoInput{AccessKeyId: c.AccessKeyId})
		if err != nil || *info.Account != "111111111111" {
			t.Errorf("%+v, %v", info, err)
		}
		forged := credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken+"AAAA")
		wantCode(t, sendTo(t, harness.SQS(base, using(forged)), url), "InvalidClientTokenId")
	})
	t.Run("GetFederationToken", func(t *testing.T) {
		t.Parallel()
		out, err := stsClient(base, static).GetFederationToken(bound(t), &sts.GetFederationTokenInput{Name: aws.String("guest"),
			Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		c := out.Credentials
		p := credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
		mayOnlySend(t, p)
		identity(t, p, "arn:aws:sts::111111111111:federated-user/guest")
	})
	t.Run("not there", func(t *testing.T) {
		t.Parallel()
		_, err := stsClient(base, static).DecodeAuthorizationMessage(bound(t), &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")})
		if !strings.Contains(fmt.Sprint(err), "NotImplemented") {
			t.Error(err)
		}
	})
}

// TestKeysFileIsReadAgain changes the keys of a running server.
func TestKeysFileIsReadAgain(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`keys: [{key: AKONE, secret: one-secret, account: "111111111111"}]`)
	server := harness.Start(t, harness.Options{Args: []string{"--keys", keys}})
	list := func(key, secret string) error {
		_, err := harness.SQS(server.URL(), harness.As(key, secret)).ListQueues(bound(t), &sqs.ListQueuesInput{})
		return err
	}
	if err := list("AKONE", "one-secret"); err != nil {
		t.Fatal(err)
	}
	hangup := func(logged string) {
		t.Helper()
		n := strings.Count(server.Output(), logged)
		if err := syscall.Kill(server.Pid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if !harness.Poll(bound(t), 10*time.Millisecond, func() bool { return strings.Count(server.Output(), logged) > n }) {
			t.Fatalf("never logged %q:\n%s", logged, server.Output())
		}
	}
	write("keys: nonsense")
	hangup("refused")
	if err := list("AKONE", "one-secret"); err != nil {
		t.Errorf("after a file that cannot be used: %v", err)
	}
	write(`keys: [{key: AKTWO, secret: two-secret, account: "111111111111"}]`)
	hangup("read again")
	if err := list("AKTWO", "two-secret"); err != nil {
		t.Errorf("a new key: %v", err)
	}
	wantCode(t, list("AKONE", "one-secret"), "InvalidClientTokenId")
	if strings.Contains(server.Output(), "secret") {
		t.Errorf("a secret was logged:\n%s", server.Output())
	}
}
