package conformance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

func apiKey(key, value string) *types.CreateConnectionAuthRequestParameters {
	return &types.CreateConnectionAuthRequestParameters{
		ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: &key, ApiKeyValue: &value},
	}
}

func newConnection(t testing.TB, c *eventbridge.Client, kind types.ConnectionAuthorizationType, auth *types.CreateConnectionAuthRequestParameters) (connection, arn string) {
	t.Helper()
	connection = name(t, "")
	out, err := c.CreateConnection(bound(t), &eventbridge.CreateConnectionInput{Name: &connection, AuthorizationType: kind, AuthParameters: auth})
	if err != nil {
		t.Fatalf("CreateConnection: %v", err)
	}
	return connection, *out.ConnectionArn
}

func newDestination(t testing.TB, c *eventbridge.Client, connection, url string, change func(*eventbridge.CreateApiDestinationInput)) (destination, arn string) {
	t.Helper()
	destination = name(t, "")
	in := &eventbridge.CreateApiDestinationInput{
		Name: &destination, ConnectionArn: &connection, InvocationEndpoint: &url, HttpMethod: types.ApiDestinationHttpMethodPost,
	}
	if change != nil {
		change(in)
	}
	out, err := c.CreateApiDestination(bound(t), in)
	if err != nil {
		t.Fatalf("CreateApiDestination: %v", err)
	}
	return destination, *out.ApiDestinationArn
}

// connectionState waits for a state.
func connectionState(t testing.TB, c *eventbridge.Client, connection string, want types.ConnectionState) (out *eventbridge.DescribeConnectionOutput) {
	t.Helper()
	eventually(t, 30*time.Second, "a connection that is "+string(want), func() bool {
		var err error
		out, err = c.DescribeConnection(bound(t), &eventbridge.DescribeConnectionInput{Name: &connection})
		return err == nil && out.ConnectionState == want
	})
	return out
}

func TestEventsToAPIDestinations(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	c, s := buses(base, harness.Key, harness.Secret), client(t)
	bus, _ := newBus(t, c)
	r := newReceiver(t)
	auth := apiKey("x-key", "hush")
	auth.InvocationHttpParameters = &types.ConnectionHttpParameters{
		HeaderParameters:      []types.ConnectionHeaderParameter{{Key: aws.String("x-who"), Value: aws.String("connection"), IsValueSecret: true}},
		QueryStringParameters: []types.ConnectionQueryStringParameter{{Key: aws.String("who"), Value: aws.String("connection")}},
		BodyParameters:        []types.ConnectionBodyParameter{{Key: aws.String("who"), Value: aws.String("connection")}},
	}
	connection, by := newConnection(t, c, types.ConnectionAuthorizationTypeApiKey, auth)
	destination, to := newDestination(t, c, by, r.URL+"/v1/*", func(in *eventbridge.CreateApiDestinationInput) {
		in.InvocationRateLimitPerSecond, in.Description = aws.Int32(50), aws.String("d")
	})
	dead := queue(t, s, nil)
	rule := newRule(t, c, bus, "r", `{"source":["shop"]}`, types.Target{
		Arn: &to, RoleArn: aws.String("arn:aws:iam::" + account + ":role/r"), InputPath: aws.String("$.detail"),
		DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String(arn(t, s, dead))}, RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(1)},
		HttpParameters: &types.HttpParameters{
			PathParameterValues: []string{"$.detail.id"}, HeaderParameters: map[string]string{"x-who": "target", "x-id": "$.detail.id"},
			QueryStringParameters: map[string]string{"who": "target", "a": "b"},
		},
	})
	out, err := c.ListTargetsByRule(bound(t), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r"), EventBusName: &bus})
	if err != nil || len(out.Targets) != 1 || out.Targets[0].HttpParameters == nil || out.Targets[0].HttpParameters.QueryStringParameters["a"] != "b" {
		t.Errorf("%+v, %v", out, err)
	}
	id := putEvents(t, c, anEvent(bus, `{"id":"7/x"}`))[0]
	x := r.wait(t, "the event", func(received) bool { return true })
	if x.body != `{"id":"7/x","who":"connection"}` || x.header.Get("X-Key") != "hush" || x.header.Get("X-Who") != "connection" || x.header.Get("X-Id") != "7/x" ||
		x.header.Get("Content-Type") != "application/json; charset=utf-8" || x.header.Get("User-Agent") != "Amazon/EventBridge/ApiDestinations" {
		t.Errorf("%+v", x)
	}
	eventually(t, 30*time.Second, "the attempt in the log", func() bool {
		list := deliveries(t, http.MethodGet, base, url.Values{"list": {"attempts"}, "endpoint": {to}}).Attempts
		return len(list) == 1 && list[0].Message == id && list[0].Status == 200
	})

	// What is not taken ends in the dead-letter queue.
	r.answer(http.StatusServiceUnavailable)
	id = putEvents(t, c, anEvent(bus, `{"id":"8"}`))[0]
	m := one(t, s, dead)
	if !strings.Contains(*m.Body, id) {
		t.Errorf("%s", *m.Body)
	}
	for attribute, want := range map[string]string{
		"ERROR_CODE": "ERROR_FROM_TARGET", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "1", "RULE_ARN": rule, "TARGET_ARN": to,
		"ERROR_MESSAGE": "The API destination " + to + " answered 503.",
	} {
		if got := stringAttribute(m, attribute); got != want {
			t.Errorf("%s: %q, want %q", attribute, got, want)
		}
	}

	// The definitions, as they are shown.
	d, err := c.DescribeApiDestination(bound(t), &eventbridge.DescribeApiDestinationInput{Name: &destination})
	if err != nil || *d.ApiDestinationArn != to || d.ApiDestinationState != types.ApiDestinationStateActive || *d.InvocationRateLimitPerSecond != 50 ||
		*d.ConnectionArn != by || *d.Description != "d" || d.HttpMethod != types.ApiDestinationHttpMethodPost || d.CreationTime == nil || d.LastModifiedTime == nil {
		t.Errorf("%+v, %v", d, err)
	}
	shown := connectionState(t, c, connection, types.ConnectionStateAuthorized)
	if *shown.AuthParameters.ApiKeyAuthParameters.ApiKeyName != "x-key" || shown.AuthParameters.InvocationHttpParameters.HeaderParameters[0].Value != nil ||
		*shown.AuthParameters.InvocationHttpParameters.BodyParameters[0].Value != "connection" || shown.SecretArn == nil || shown.LastAuthorizedTime == nil {
		t.Errorf("%+v", shown)
	}
	list, err := c.ListApiDestinations(bound(t), &eventbridge.ListApiDestinationsInput{ConnectionArn: &by, NamePrefix: &destination})
	if err != nil || len(list.ApiDestinations) != 1 || *list.ApiDestinations[0].ApiDestinationArn != to {
		t.Errorf("%+v, %v", list, err)
	}
	all, err := c.ListConnections(bound(t), &eventbridge.ListConnectionsInput{NamePrefix: &connection, ConnectionState: types.ConnectionStateAuthorized, Limit: aws.Int32(1)})
	if err != nil || len(all.Connections) != 1 || *all.Connections[0].ConnectionArn != by {
		t.Errorf("%+v, %v", all, err)
	}
	updated, err := c.UpdateApiDestination(bound(t), &eventbridge.UpdateApiDestinationInput{Name: &destination, HttpMethod: types.ApiDestinationHttpMethodPut})
	if err != nil || *updated.ApiDestinationArn != to {
		t.Errorf("%+v, %v", updated, err)
	}
	changed, err := c.UpdateConnection(bound(t), &eventbridge.UpdateConnectionInput{Name: &connection, AuthParameters: &types.UpdateConnectionAuthRequestParameters{
		ApiKeyAuthParameters: &types.UpdateConnectionApiKeyAuthRequestParameters{ApiKeyValue: aws.String("new")},
	}})
	if err != nil || changed.ConnectionState != types.ConnectionStateAuthorized {
		t.Errorf("%+v, %v", changed, err)
	}
	r.answer(http.StatusOK)
	putEvents(t, c, anEvent(bus, `{"id":"9"}`))
	r.wait(t, "an event with the new key", func(x received) bool { return x.header.Get("X-Key") == "new" && x.header.Get("X-Id") == "9" })

	gone, err := c.DeauthorizeConnection(bound(t), &eventbridge.DeauthorizeConnectionInput{Name: &connection})
	if err != nil || gone.ConnectionState != types.ConnectionStateDeauthorized {
		t.Errorf("%+v, %v", gone, err)
	}
	if d, err := c.DescribeApiDestination(bound(t), &eventbridge.DescribeApiDestinationInput{Name: &destination}); err != nil || d.ApiDestinationState != types.ApiDestinationStateInactive {
		t.Errorf("%+v, %v", d, err)
	}
	var exists *types.ResourceAlreadyExistsException
	if _, err := c.CreateConnection(bound(t), &eventbridge.CreateConnectionInput{
		Name: &connection, AuthorizationType: types.ConnectionAuthorizationTypeApiKey, AuthParameters: apiKey("a", "b"),
	}); !errors.As(err, &exists) {
		t.Errorf("%v", err)
	}
	if _, err := c.DeleteApiDestination(bound(t), &eventbridge.DeleteApiDestinationInput{Name: &destination}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteConnection(bound(t), &eventbridge.DeleteConnectionInput{Name: &connection}); err != nil {
		t.Error(err)
	}
	var missing *types.ResourceNotFoundException
	if _, err := c.DescribeConnection(bound(t), &eventbridge.DescribeConnectionInput{Name: &connection}); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	if _, err := c.DescribeApiDestination(bound(t), &eventbridge.DescribeApiDestinationInput{Name: &destination}); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	putEvents(t, c, anEvent(bus, `{"id":"10"}`))
	if got := stringAttribute(one(t, s, dead), "ERROR_CODE"); got != "NO_RESOURCE" {
		t.Errorf("an event for a destination that is gone: %q", got)
	}
}

func stringAttribute(m sqstypes.Message, attribute string) string {
	return aws.ToString(m.MessageAttributes[attribute].StringValue)
}

func TestOAuthConnections(t *testing.T) {
	t.Parallel()
	c := buses(endpoint(t), harness.Key, harness.Secret)
	bus, _ := newBus(t, c)
	r := newReceiver(t)
	var refuses atomic.Bool
	refuses.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		id, secret, _ := req.BasicAuth()
		if refuses.Load() || id != "id" || secret != "hush" || req.PostFormValue("grant_type") != "client_credentials" || req.PostFormValue("audience") != "crm" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"access_token":"good","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(server.Close)
	connection, arn := newConnection(t, c, types.ConnectionAuthorizationTypeOauthClientCredentials, &types.CreateConnectionAuthRequestParameters{
		OAuthParameters: &types.CreateConnectionOAuthRequestParameters{
			AuthorizationEndpoint: aws.String(server.URL + "/token"), HttpMethod: types.ConnectionOAuthHttpMethodPost,
			ClientParameters:    &types.CreateConnectionOAuthClientRequestParameters{ClientID: aws.String("id"), ClientSecret: aws.String("hush")},
			OAuthHttpParameters: &types.ConnectionHttpParameters{BodyParameters: []types.ConnectionBodyParameter{{Key: aws.String("audience"), Value: aws.String("crm")}}},
		},
	})
	if d := connectionState(t, c, connection, types.ConnectionStateDeauthorized); aws.ToString(d.StateReason) != "the authorization endpoint answered 401" {
		t.Errorf("%+v", d)
	}
	_, to := newDestination(t, c, arn, r.URL+"/", nil)
	newRule(t, c, bus, "r", `{"source":["shop"]}`, types.Target{Arn: &to})
	putEvents(t, c, anEvent(bus, `{}`))
	refuses.Store(false)
	if _, err := c.UpdateConnection(bound(t), &eventbridge.UpdateConnectionInput{Name: &connection, AuthParameters: &types.UpdateConnectionAuthRequestParameters{
		OAuthParameters: &types.UpdateConnectionOAuthRequestParameters{ClientParameters: &types.UpdateConnectionOAuthClientRequestParameters{ClientSecret: aws.String("hush")}},
	}}); err != nil {
		t.Fatal(err)
	}
	connectionState(t, c, connection, types.ConnectionStateAuthorized)
	r.wait(t, "the event with a token", func(x received) bool { return x.header.Get("Authorization") == "Bearer good" })
}

// Plain HTTP targets with signatures of Standard Webhooks, also while the secret changes.
func TestWebhookTargets(t *testing.T) {
	t.Parallel()
	c := buses(endpoint(t), harness.Key, harness.Secret)
	bus, _ := newBus(t, c)
	r := newReceiver(t)
	older, newer := []byte("the secret of all receivers until now"), []byte("the secret of all receivers from now")
	text := func(b []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(b) }
	connection, arn := newConnection(t, c, types.ConnectionAuthorizationTypeApiKey, apiKey("webhook-signature", text(older)))
	_, to := newDestination(t, c, arn, r.URL+"/", nil)
	newRule(t, c, bus, "r", `{"source":["shop"]}`, types.Target{Arn: &to})
	signedBy := func(x received, secret []byte) bool {
		h := hmac.New(sha256.New, secret)
		fmt.Fprintf(h, "%s.%s.%s", x.header.Get("webhook-id"), x.header.Get("webhook-timestamp"), x.body)
		return slices.Contains(strings.Fields(x.header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	send := func(n string) received {
		t.Helper()
		putEvents(t, c, anEvent(bus, `{"n":"`+n+`"}`))
		return r.wait(t, "event "+n, func(x received) bool { return strings.Contains(x.body, `{"n":"`+n+`"}`) })
	}
	secret := func(value string) {
		t.Helper()
		if _, err := c.UpdateConnection(bound(t), &eventbridge.UpdateConnectionInput{Name: &connection, AuthParameters: &types.UpdateConnectionAuthRequestParameters{
			ApiKeyAuthParameters: &types.UpdateConnectionApiKeyAuthRequestParameters{ApiKeyValue: &value},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if x := send("1"); !signedBy(x, older) || signedBy(x, newer) {
		t.Errorf("%+v", x)
	}
	secret(text(newer) + " " + text(older))
	if x := send("2"); !signedBy(x, older) || !signedBy(x, newer) {
		t.Errorf("%+v", x)
	}
	secret(text(newer))
	if x := send("3"); signedBy(x, older) || !signedBy(x, newer) {
		t.Errorf("%+v", x)
	}
}

// A server that is killed while events are on their way to an API destination loses none.
func TestAPIDestinationsSurviveKill(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "2"}})
	c := buses(server.URL(), harness.Key, harness.Secret)
	bus, _ := newBus(t, c)
	var up atomic.Bool
	var mu sync.Mutex
	taken := map[string]bool{} // guarded by mu
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		taken[string(body)] = true
	}))
	t.Cleanup(r.Close)
	_, arn := newConnection(t, c, types.ConnectionAuthorizationTypeApiKey, apiKey("x-key", "hush"))
	_, to := newDestination(t, c, arn, r.URL+"/", nil)
	newRule(t, c, bus, "r", `{"source":["shop"]}`, types.Target{Arn: &to, InputPath: aws.String("$.detail")})
	const sent = 100
	for i := range sent {
		if i == sent/2 {
			up.Store(true)
		}
		putEvents(t, c, anEvent(bus, fmt.Sprintf(`{"n":%d}`, i)))
	}
	server.Kill()
	if err := errors.Join(server.Again(), server.WaitReady()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, "all events", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(taken) == sent
	})
}
