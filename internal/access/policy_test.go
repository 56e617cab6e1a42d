package access

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	alice = "arn:aws:iam::111111111111:user/team/alice"
	queue = "arn:aws:sqs:eu-west-1:222222222222:orders"
)

func mustParse(t require, doc string, kind Kind) *Policy {
	p, err := ParsePolicy([]byte(doc), kind)
	if err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return p
}

// caller is the principal of an ARN, a service or nobody.
func caller(name string) *Principal {
	switch {
	case name == "":
		return &Principal{Anonymous: true}
	case !strings.HasPrefix(name, "arn:"):
		return &Principal{Service: name}
	}
	return &Principal{ARN: name, Account: arnAccount(name)}
}

// statementOf wraps members of one allowing statement on everything.
func statementOf(members string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"` + members + `}}`
}

func TestEvaluateIdentity(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, statements, action, resource string
		want                               Decision
	}{
		{"exact", `{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"` + queue + `"}`, "sqs:SendMessage", queue, Allow},
		{"case of action", `{"Effect":"Allow","Action":"SQS:sendMESSAGE","Resource":"*"}`, "sqs:SendMessage", queue, Allow},
		{"case of resource", `{"Effect":"Allow","Action":"*","Resource":"arn:` + strings.ToUpper(queue[4:]) + `"}`, "sqs:SendMessage", queue, None},
		{"wildcards", `{"Effect":"Allow","Action":"sqs:*Message","Resource":"arn:aws:sqs:*:222222222222:ord?rs"}`, "sqs:SendMessage", queue, Allow},
		{"other action", `{"Effect":"Allow","Action":["sqs:Get*","sqs:List*"],"Resource":"*"}`, "sqs:SendMessage", queue, None},
		{"other resource", `{"Effect":"Allow","Action":"*","Resource":["` + queue + `x","arn:aws:sqs:*"]}`, "a:b", "arn:aws:sns:x", None},
		{"deny wins", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sqs:Delete*","Resource":"*"}`, "sqs:DeleteQueue", queue, Deny},
		{"deny wins, other order", `{"Effect":"Deny","Action":"sqs:Delete*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}`, "sqs:DeleteQueue", queue, Deny},
		{"NotAction", `{"Effect":"Allow","NotAction":"sqs:Delete*","Resource":"*"}`, "sqs:SendMessage", queue, Allow},
		{"NotAction hit", `{"Effect":"Allow","NotAction":"sqs:Delete*","Resource":"*"}`, "sqs:DeleteQueue", queue, None},
		{"NotResource", `{"Effect":"Deny","Action":"*","NotResource":"` + queue + `"}`, "sqs:DeleteQueue", queue, None},
		{"NotResource hit", `{"Effect":"Deny","Action":"*","NotResource":"` + queue + `"}`, "sqs:DeleteQueue", queue + "2", Deny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, `{"Version":"2012-10-17","Id":"x","Statement":[`+tt.statements+`]}`, Identity)
			if got := p.Evaluate(Request{Principal: caller(alice), Action: tt.action, Resource: tt.resource}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEvaluatePrincipals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		principal, caller string
		want              Decision
	}{
		{`"Principal":"*"`, alice, Allow},
		{`"Principal":"*"`, "", Allow},
		{`"Principal":{"AWS":"*"}`, "", Allow},
		{`"Principal":{"AWS":"111111111111"}`, alice, Allow},
		{`"Principal":{"AWS":"111111111111"}`, "", None},
		{`"Principal":{"AWS":["222222222222","arn:aws:iam::111111111111:root"]}`, alice, Allow},
		{`"Principal":{"AWS":"` + alice + `"}`, alice, Allow},
		{`"Principal":{"AWS":"` + alice + `"}`, alice + "2", None},
		{`"Principal":{"AWS":"` + alice + `"}`, "arn:aws:iam::111111111111:root", None},
		{`"Principal":{"Service":"sns.amazonaws.com"}`, "sns.amazonaws.com", Allow},
		{`"Principal":{"Service":["sns.amazonaws.com","events.amazonaws.com"]}`, "s3.amazonaws.com", None},
		{`"Principal":{"Service":"sns.amazonaws.com","AWS":"111111111111"}`, alice, Allow},
		{`"NotPrincipal":{"AWS":"` + alice + `"}`, alice, None},
		{`"NotPrincipal":{"AWS":"` + alice + `"}`, alice + "2", Allow},
		{`"NotPrincipal":{"AWS":"` + alice + `"}`, "", None},
		{`"NotPrincipal":{"AWS":"` + alice + `"}`, "sns.amazonaws.com", None},
	} {
		t.Run(tt.principal+" "+tt.caller, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, statementOf(","+tt.principal), Resource)
			if got := p.Evaluate(Request{Principal: caller(tt.caller), Action: "sqs:SendMessage", Resource: queue}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	ctx := Context{
		"aws:SourceArn": {"arn:aws:sns:eu-west-1:222222222222:topic"}, "aws:SourceIp": {"203.0.113.7"},
		"aws:SecureTransport": {"true"}, "aws:CurrentTime": {"2026-03-01T12:00:00Z"}, "x:n": {"7"}, "x:b": {"AQI="},
		"x:many": {"a", "b"},
	}
	for _, tt := range []struct {
		condition string
		want      bool
	}{
		{`{"StringEquals":{"aws:sourcearn":"arn:aws:sns:eu-west-1:222222222222:topic"}}`, true},
		{`{"StringEquals":{"aws:SourceArn":["a","b"]}}`, false},
		{`{"StringEquals":{"x:missing":"a"}}`, false},
		{`{"StringEqualsIfExists":{"x:missing":"a"}}`, true},
		{`{"StringNotEquals":{"aws:SourceArn":["a","b"]}}`, true},
		{`{"StringNotEquals":{"x:missing":"a"}}`, true},
		{`{"StringNotEquals":{"x:n":["7","8"]}}`, false},
		{`{"StringEqualsIgnoreCase":{"aws:SecureTransport":"TRUE"}}`, true},
		{`{"StringLike":{"aws:SourceArn":"*:topic"}}`, true},
		{`{"StringNotLike":{"aws:SourceArn":"*:topic"}}`, false},
		{`{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:222222222222:*"}}`, true},
		{`{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:topic:*"}}`, false},
		{`{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:eu-west-1:222222222222:topic"}}`, true},
		{`{"ArnNotEquals":{"aws:SourceArn":"arn:aws:sns:eu-west-1:222222222222:topic"}}`, false},
		{`{"Bool":{"aws:SecureTransport":true}}`, true},
		{`{"Bool":{"aws:SecureTransport":"false"}}`, false},
		{`{"Bool":{"x:missing":"false"}}`, false},
		{`{"IpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.0/24"]}}`, true},
		{`{"IpAddress":{"aws:SourceIp":"203.0.113.8"}}`, false},
		{`{"NotIpAddress":{"aws:SourceIp":"203.0.113.8"}}`, true},
		{`{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`, false},
		{`{"IpAddress":{"aws:SourceIp":"::ffff:203.0.113.0/120"}}`, true},
		{`{"NotIpAddress":{"aws:SourceIp":"::ffff:203.0.113.0/120"}}`, false},
		{`{"NumericEquals":{"x:n":7}}`, true},
		{`{"NumericNotEquals":{"x:n":"7.0"}}`, false},
		{`{"NumericLessThan":{"x:n":7}}`, false},
		{`{"NumericLessThanEquals":{"x:n":7}}`, true},
		{`{"NumericGreaterThan":{"x:n":6.5}}`, true},
		{`{"NumericGreaterThanEquals":{"x:n":8}}`, false},
		{`{"NumericEquals":{"aws:SourceIp":8}}`, false},
		{`{"DateLessThan":{"aws:CurrentTime":"2026-03-01T12:00:01Z"}}`, true},
		{`{"DateGreaterThan":{"aws:CurrentTime":"2026-03-02"}}`, false},
		{`{"DateGreaterThanEquals":{"aws:CurrentTime":1772366400}}`, true},
		{`{"BinaryEquals":{"x:b":"AQI="}}`, true},
		{`{"Null":{"x:missing":"true"}}`, true},
		{`{"Null":{"x:n":true}}`, false},
		{`{"Null":{"x:n":"false"}}`, true},
		{`{"ForAnyValue:StringEquals":{"x:n":["7"]}}`, true},
		{`{"ForAnyValue:StringNotEquals":{"x:missing":["7"]}}`, false},
		{`{"ForAllValues:StringEquals":{"x:missing":["7"]}}`, true},
		{`{"ForAllValues:StringEquals":{"x:n":["8"]}}`, false},
		{`{"ForAllValues:StringEquals":{"x:many":["a","b","c"]}}`, true},
		{`{"ForAllValues:StringEquals":{"x:many":["a","c"]}}`, false},
		{`{"ForAllValues:StringNotEquals":{"x:many":["b","c"]}}`, false},
		{`{"ForAllValues:StringNotEquals":{"x:many":["c"]}}`, true},
		{`{"ForAnyValue:StringEquals":{"x:many":["b","c"]}}`, true},
		{`{"ForAnyValue:StringEquals":{"x:many":["c"]}}`, false},
		{`{"ForAnyValue:StringNotEquals":{"x:many":["a"]}}`, true},
		{`{"ForAnyValue:StringNotEquals":{"x:many":["a","b"]}}`, false},
		{`{"StringEquals":{"x:many":"b"}}`, true},
		{`{"StringNotEquals":{"x:many":"b"}}`, false},
		{`{"StringEquals":{"aws:PrincipalType":"User"},"Bool":{"aws:PrincipalIsAWSService":"false"}}`, true},
		{`{"StringEquals":{"aws:username":"alice","aws:PrincipalAccount":"111111111111","aws:PrincipalArn":"` + alice + `"}}`, true},
		{`{"Bool":{"aws:SecureTransport":"true"},"NumericEquals":{"x:n":"8"}}`, false},
	} {
		t.Run(tt.condition, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, statementOf(`,"Condition":`+tt.condition), Identity)
			got := p.Evaluate(Request{Principal: caller(alice), Action: "sqs:SendMessage", Resource: queue, Context: ctx})
			if (got == Allow) != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// A text that is no ARN is like no ARN, so a statement with one neither allows nor
// denies anything, or always.
func TestTextThatIsNoARN(t *testing.T) {
	t.Parallel()
	for operator, want := range map[string]Decision{
		"ArnEquals": None, "ArnLike": None, "ArnNotEquals": Allow, "ArnNotLike": Allow,
	} {
		p, err := ParsePolicy([]byte(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*",
			"Condition":{"`+operator+`":{"aws:SourceArn":"$topic"}}}}`), Resource)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Evaluate(Request{
			Principal: &Principal{Account: "123456789012"}, Action: "sqs:SendMessage", Resource: "arn:aws:sqs:us-east-1:123456789012:q",
			Context: Context{"aws:sourcearn": {"arn:aws:sns:us-east-1:123456789012:t"}},
		})
		if got != want {
			t.Errorf("%s: %v, want %v", operator, got, want)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, doc string
		kind      Kind
		want      string
	}{
		{"not JSON", `{"Version"`, Identity, "not valid JSON"},
		{"trailing text", statementOf("") + "x", Identity, "not valid JSON"},
		{"no object", `[]`, Identity, "must be a JSON object"},
		{"no statement", `{"Version":"2012-10-17"}`, Identity, "no Statement"},
		{"version", `{"Version":"2026-01-01","Statement":[]}`, Identity, "Version must be"},
		{"unknown element", `{"Statements":[]}`, Identity, `unknown policy element "Statements"`},
		{"statement no object", `{"Statement":["x"]}`, Identity, "Statement[0] must be an object"},
		{"effect", `{"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`, Identity, `Statement[0]: Effect must be "Allow" or "Deny"`},
		{"no effect", `{"Statement":{"Action":"*","Resource":"*"}}`, Identity, "Effect is missing"},
		{"no action", `{"Statement":{"Effect":"Allow","Resource":"*"}}`, Identity, "Action is missing"},
		{"no resource", `{"Statement":{"Effect":"Allow","Action":"*"}}`, Identity, "Resource is missing"},
		{"action form", `{"Statement":{"Effect":"Allow","Action":"SendMessage","Resource":"*"}}`, Identity, "service:action"},
		{"action empty", `{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}`, Identity, "string or a list"},
		{"action number", `{"Statement":{"Effect":"Allow","Action":[1],"Resource":"*"}}`, Identity, "Action[0] must be a string"},
		{"both actions", statementOf(`,"NotAction":"*"`), Identity, "both Action and NotAction"},
		{"twice", `{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}`, Identity, `"Effect" is given twice`},
		{"resource form", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"orders"}}`, Identity, "an ARN"},
		{"variable", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:*:*:${aws:username}"}}`, Identity, "policy variables"},
		{"identity with principal", statementOf(`,"Principal":"*"`), Identity, "not allowed in the policy of a user"},
		{"resource without principal", statementOf(``), Resource, "Principal is missing"},
		{"principal text", statementOf(`,"Principal":"111111111111"`), Resource, "Principal must be"},
		{"principal wildcard", statementOf(`,"Principal":{"AWS":"arn:aws:iam::111111111111:user/*"}`), Resource, "without wildcards"},
		{"principal kind", statementOf(`,"Principal":{"aws":"*"}`), Resource, "unknown kind"},
		{"principal empty", statementOf(`,"Principal":{}`), Resource, "Principal must be"},
		{"service wildcard", statementOf(`,"Principal":{"Service":"*"}`), Resource, "Principal Service"},
		{"operator", statementOf(`,"Condition":{"StringMatches":{"a:b":"c"}}`), Identity, "Condition StringMatches, a:b: unknown condition operator"},
		{"NullIfExists", statementOf(`,"Condition":{"NullIfExists":{"a:b":"true"}}`), Identity, "unknown condition operator"},
		{"condition key", statementOf(`,"Condition":{"StringEquals":{"ab":"c"}}`), Identity, "service:key"},
		{"condition value", statementOf(`,"Condition":{"StringEquals":{"a:b":{}}}`), Identity, "values must be"},
		{"condition values", statementOf(`,"Condition":{"StringEquals":{"a:b":[]}}`), Identity, "no values"},
		{"condition shape", statementOf(`,"Condition":[]`), Identity, "object of operators"},
		{"network", statementOf(`,"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113/24"}}`), Identity, "neither an IP address nor"},
		{"number", statementOf(`,"Condition":{"NumericEquals":{"a:b":"x"}}`), Identity, "no number"},
		{"date", statementOf(`,"Condition":{"DateEquals":{"a:b":"x"}}`), Identity, "no date"},
		{"bool", statementOf(`,"Condition":{"Bool":{"a:b":"x"}}`), Identity, "neither true nor false"},
		{"depth", `{"Statement":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, Identity, "nested too deeply"},
		{"size", `{"Id":"` + strings.Repeat("x", MaxPolicyBytes) + `"}`, Identity, "larger than"},
		{"statements", `{"Statement":[` + strings.Repeat(`{},`, maxStatements) + `{}]}`, Identity, "more than 256 statements"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePolicy([]byte(tt.doc), tt.kind)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	const own, other = "111111111111", "222222222222"
	allow := func(p string) string { return statementOf(`,"Principal":` + p) }
	deny := func(p string) string { return strings.Replace(allow(p), `"Allow"`, `"Deny"`, 1) }
	allowAll, denyAll := statementOf(""), strings.Replace(statementOf(""), `"Allow"`, `"Deny"`, 1)
	const nothing = `{"Statement":{"Effect":"Allow","Action":"sns:*","Resource":"*"}}`
	for _, tt := range []struct {
		name               string
		anonymous          bool
		identity, resource string
		account            string
		want               *Error
	}{
		{name: "own account, no policies", account: own},
		{name: "own account, identity allows", identity: allowAll, account: own},
		{name: "own account, identity says nothing", identity: nothing, account: own, want: ErrAccessDenied},
		{name: "own account, identity denies", identity: denyAll, resource: allow(`"*"`), account: own, want: ErrAccessDenied},
		{name: "own account, resource allows the user", identity: nothing, resource: allow(`{"AWS":"` + alice + `"}`), account: own},
		{name: "own account, resource allows anyone", identity: nothing, resource: allow(`"*"`), account: own},
		{name: "own account, resource allows the account only", identity: nothing, resource: allow(`{"AWS":"111111111111"}`), account: own, want: ErrAccessDenied},
		{name: "own account, resource denies", resource: deny(`"*"`), account: own, want: ErrAccessDenied},
		{name: "own account, resource denies others", resource: deny(`{"AWS":"333333333333"}`), account: own},
		{name: "other account, no policies", account: other, want: ErrAccessDenied},
		{name: "other account, identity only", identity: allowAll, account: other, want: ErrAccessDenied},
		{name: "other account, resource allows the account", resource: allow(`{"AWS":"111111111111"}`), account: other},
		{name: "other account, both allow", identity: allowAll, resource: allow(`{"AWS":"111111111111"}`), account: other},
		{name: "other account, identity says nothing", identity: nothing, resource: allow(`"*"`), account: other, want: ErrAccessDenied},
		{name: "anonymous, no policy", anonymous: true, account: own, want: ErrMissingToken},
		{name: "anonymous, resource allows anyone", anonymous: true, resource: allow(`"*"`), account: own},
		{name: "anonymous, resource allows accounts", anonymous: true, resource: allow(`{"AWS":"111111111111"}`), account: own, want: ErrMissingToken},
		{name: "anonymous, resource denies", anonymous: true, resource: deny(`"*"`), account: own, want: ErrAccessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := Principal{Account: own, ARN: alice}
			if tt.anonymous {
				p = Principal{Anonymous: true}
			}
			if tt.identity != "" {
				p.Policy = mustParse(t, tt.identity, Identity)
			}
			err := keyed(t).Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: tt.account, Policy: tt.resource})
			if tt.want == nil && err != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestGlob compares with a matcher that is plainly right.
func TestGlob(t *testing.T) {
	t.Parallel()
	var naive func(p, s string) bool
	naive = func(p, s string) bool {
		switch {
		case p == "":
			return s == ""
		case p[0] == '*':
			return naive(p[1:], s) || s != "" && naive(p, s[1:])
		case s == "":
			return false
		}
		return (p[0] == '?' || p[0] == s[0]) && naive(p[1:], s[1:])
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringMatching(`[ab*?]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "text")
		if got, want := glob(p, s, false), naive(p, s); got != want {
			t.Fatalf("glob(%q, %q) = %v", p, s, got)
		}
		if glob(p, strings.ToUpper(s), true) != glob(p, s, false) {
			t.Fatalf("glob(%q, %q) depends on case", p, s)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(statementOf(`,"Principal":{"AWS":["111111111111"]},"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}`))
	f.Add(statementOf(`,"Sid":"x","Condition":{"ForAnyValue:StringLikeIfExists":{"a:b":["*",1,true]}}`))
	f.Add(`{"Statement":[{"Effect":"Deny","NotAction":["a:b"],"NotResource":"*","NotPrincipal":"*"}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		for _, kind := range []Kind{Identity, Resource} {
			p, err := ParsePolicy([]byte(doc), kind)
			if err != nil {
				continue
			}
			// Whatever was accepted can be evaluated.
			p.Evaluate(Request{Principal: caller(alice), Action: "sqs:SendMessage", Resource: queue, Context: Context{"x:y": {"1"}}})
		}
	})
}
