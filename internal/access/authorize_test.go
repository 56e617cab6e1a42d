package access

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAuthorizeService(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:eu-west-1:222222222222:news"
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queue +
		`","Condition":{"ArnLike":{"aws:SourceArn":"` + topic + `"},"StringEquals":{"aws:SourceAccount":"222222222222"}}}]}`
	for _, tt := range []struct {
		name, service, source, policy string
		allowed                       bool
	}{
		{"named topic", "sns.amazonaws.com", topic, policy, true},
		{"other topic", "sns.amazonaws.com", topic + "2", policy, false},
		{"other service", "events.amazonaws.com", topic, policy, false},
		{"no policy, though the account is the same", "sns.amazonaws.com", topic, "", false},
		{"anyone", "sns.amazonaws.com", topic, statementOf(`,"Principal":"*"`), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := OfService(tt.service)
			err := keyed(t).Authorize(Query{
				Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: "222222222222", Policy: tt.policy,
				Context: func() Context {
					c := Context{}
					c.Set("aws:SourceArn", tt.source)
					c.Set("aws:SourceAccount", "222222222222")
					return c
				},
			})
			if tt.allowed && err != nil || !tt.allowed && !errors.Is(err, ErrAccessDenied) {
				t.Errorf("%v, want allowed %v", err, tt.allowed)
			}
			if err != nil && !strings.Contains(err.Error(), "Service: "+tt.service) {
				t.Errorf("the refusal does not name the service: %v", err)
			}
		})
	}
}

func TestRootCannotBeLockedOut(t *testing.T) {
	t.Parallel()
	const own = "222222222222"
	lock := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`
	ask := func(p Principal, policy string, always bool) error {
		return keyed(t).Authorize(Query{Principal: &p, Action: "sqs:SetQueueAttributes", Resource: queue, Account: own, Policy: policy, RootAlways: always,
			Context: func() Context { return Context{"aws:SecureTransport": {"false"}} }})
	}
	user := userPrincipal(own, "orders")
	if err := ask(Root(own), lock, true); err != nil {
		t.Errorf("root: %v", err)
	}
	if err := ask(Root(own), "{not a policy", true); err != nil {
		t.Errorf("root, unreadable policy: %v", err)
	}
	for what, err := range map[string]error{
		"root, other action":      ask(Root(own), lock, false),
		"user":                    ask(user, lock, true),
		"user, unreadable policy": ask(user, "{not a policy", true),
		"root of another account": ask(Root("111111111111"), lock, true),
	} {
		if !errors.Is(err, ErrAccessDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOpenModeKeepsPoliciesUnasked(t *testing.T) {
	t.Parallel()
	deny := strings.Replace(statementOf(`,"Principal":"*"`), `"Allow"`, `"Deny"`, 1)
	p := Root(DefaultAccount)
	q := Query{Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: DefaultAccount, Policy: deny}
	if err := openAccess(t, Config{}).Authorize(q); err != nil {
		t.Errorf("not asked to enforce: %v", err)
	}
	if err := openAccess(t, Config{EnforcePolicies: true}).Authorize(q); !errors.Is(err, ErrAccessDenied) {
		t.Errorf("asked to enforce: %v", err)
	}
}

func TestSessionPolicies(t *testing.T) {
	t.Parallel()
	const own = "222222222222"
	role := "arn:aws:iam::" + own + ":role/worker"
	session := "arn:aws:sts::" + own + ":assumed-role/worker/one"
	allow := func(principal string) string { return statementOf(`,"Principal":{"AWS":"` + principal + `"}`) }
	deny := strings.Replace(allow(role), `"Allow"`, `"Deny"`, 1)
	none := mustParse(t, `{"Statement":{"Effect":"Allow","Action":"sns:*","Resource":"*"}}`, Identity)
	all := mustParse(t, statementOf(""), Identity)
	for _, tt := range []struct {
		name              string
		identity, session *Policy
		resource          string
		account           string
		allowed           bool
	}{
		{"neither policy", nil, nil, "", own, true},
		{"session policy allows", nil, all, "", own, true},
		{"session policy says nothing", nil, none, "", own, false},
		{"role's policy says nothing", none, all, "", own, false},
		{"resource names the session", none, none, allow(session), own, true},
		{"resource names the role", none, all, allow(role), own, true},
		{"resource names the role, session policy says nothing", none, none, allow(role), own, false},
		{"resource denies the role", nil, nil, deny, own, false},
		{"other account lets the role in", nil, nil, allow(role), "333333333333", true},
		{"other account does not", nil, nil, "", "333333333333", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := Principal{Account: own, ARN: session, UserID: "AROAX:one", Policy: tt.identity,
				Session: &Session{Role: role, Policy: tt.session, Issued: time.Now(), Tags: map[string]string{"team": "a"}}}
			err := keyed(t).Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: tt.account, Policy: tt.resource})
			if (err == nil) != tt.allowed {
				t.Errorf("%v, want allowed %v", err, tt.allowed)
			}
		})
	}
	p := &Principal{Account: own, ARN: session, UserID: "AROAX:one", Session: &Session{Role: role, Tags: map[string]string{"team": "a"}, SourceIdentity: "me"}}
	asked := mustParse(t, statementOf(`,"Condition":{"StringEquals":{"aws:PrincipalTag/Team":"a","aws:PrincipalArn":"`+role+`","aws:PrincipalType":"AssumedRole","aws:SourceIdentity":"me","aws:userid":"AROAX:one"}}`), Identity)
	if d := asked.Evaluate(Request{Principal: p, Action: "a:b", Resource: queue}); d != Allow {
		t.Errorf("keys about the session: %v", d)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	p := Principal{Account: "111111111111", ARN: alice}
	err := keyed(t).Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: "arn:aws:sqs:r:222222222222:" + strings.Repeat("x", 1<<20) + "\n", Account: "222222222222"})
	if err == nil || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%.200v… of %d characters", err, len(err.Error()))
	}
}

func TestPolicyCacheIsBounded(t *testing.T) {
	t.Parallel()
	var cache policyCache
	for i := range 2*maxPolicies + 10 {
		doc := statementOf(`,"Principal":"*","Sid":"` + strconv.Itoa(i) + `"`)
		first, err := cache.get(doc)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := cache.get(doc); again != first {
			t.Fatal("the policy was parsed again")
		}
		if len(cache.parsed) > maxPolicies {
			t.Fatalf("%d policies are kept", len(cache.parsed))
		}
	}
	if _, err := cache.get("nonsense"); err == nil {
		t.Error("nonsense was parsed")
	}
}
