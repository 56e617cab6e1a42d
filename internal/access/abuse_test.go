package access

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestPolicyCacheIsBoundedByText: a few large policies are as bad as many small ones;
// parsed they are a dozen times as large.
func TestPolicyCacheIsBoundedByText(t *testing.T) {
	t.Parallel()
	var cache policyCache
	long := strings.Repeat("x", MaxPolicyBytes-1000)
	for i := range 2*maxPolicyText/MaxPolicyBytes + 10 {
		if _, err := cache.get(statementOf(`,"Principal":"*","Sid":"` + strconv.Itoa(i) + long + `"`)); err != nil {
			t.Fatal(err)
		}
		size := 0
		for text := range cache.parsed {
			size += len(text)
		}
		if size > maxPolicyText || size != cache.size {
			t.Fatalf("%d bytes of policies are kept, %d are counted", size, cache.size)
		}
	}
}

// TestTokensThatAreGivenOutAreTaken: a policy whose characters JSON spells by six each
// would make a token that is longer than any that is looked at.
func TestTokensThatAreGivenOutAreTaken(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	alice := d.who(t, "AKALICE", "alice-secret")
	for _, n := range []int{10, 500, 1000, 1900} {
		policy := `{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*","Sid":"` + strings.Repeat("<", n) + `"}}`
		c, err := d.AssumeRole(alice, Grant{Role: workerRole, Name: "one", Policy: policy, Tags: map[string]string{"a": strings.Repeat("x", 1900)}})
		var e *Error
		if errors.As(err, &e) && e.Code == "PackedPolicyTooLarge" && n > 1000 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.call(t, c); err != nil {
			t.Errorf("%d characters: a token of %d was given out, and refused: %v", n, len(c.Token), err)
		}
	}
}

// TestKeyOfAnotherAccount: a session of a user does not go over to whom the operator
// gives the user's key, which would be a user of one account with the rights in another.
func TestKeyOfAnotherAccount(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	c, err := d.SessionToken(d.who(t, "AKALICE", "alice-secret"), Grant{})
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.Replace(rolesFile, `secret: alice-secret, account: "123456789012"`, `secret: alice-secret, account: "210987654321"`, 1)
	if err := os.WriteFile(d.path, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if p, err := d.call(t, c); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestSourceIdentityStays: a session that has a source identity cannot satisfy a trust
// policy with another one.
func TestSourceIdentityStays(t *testing.T) {
	t.Parallel()
	const open = `, trust: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {AWS: "*"}, Action: ["sts:AssumeRole", "sts:SetSourceIdentity"]%s}]}}`
	d := newDesk(t, fmt.Sprintf(rolesFile+`  - {role: first, account: "123456789012"`+open+`
  - {role: second, account: "123456789012"`+open+"\n", "", `, Condition: {StringEquals: {"sts:SourceIdentity": "boss"}}`))
	first, err := d.AssumeRole(d.who(t, "AKALICE", "alice-secret"), Grant{Role: "arn:aws:iam::123456789012:role/first", Name: "one", SourceIdentity: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.call(t, first)
	if err != nil || p.Session.SourceIdentity != "alice" {
		t.Fatalf("%+v, %v", p, err)
	}
	if c, err := d.AssumeRole(&p, Grant{Role: "arn:aws:iam::123456789012:role/second", Name: "two", SourceIdentity: "boss"}); !errors.Is(err, ErrAccessDenied) {
		t.Errorf("%+v, %v", c, err)
	}
	again, err := d.AssumeRole(&p, Grant{Role: "arn:aws:iam::123456789012:role/first", Name: "two", SourceIdentity: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := d.call(t, again); err != nil || p.Session.SourceIdentity != "alice" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestStrangersDoNotLearnRoles: whoever has no token that counts gets the same answer
// for a role that is there and for one that is not.
func TestStrangersDoNotLearnRoles(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	// {"alg":"RS256"}, {"iss":"https://nowhere.example"}, and what is no signature
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL25vd2hlcmUuZXhhbXBsZSJ9.eA"
	_, there := d.AssumeRoleWithWebIdentity(t.Context(), token, Grant{Role: workerRole, Name: "one"})
	_, missing := d.AssumeRoleWithWebIdentity(t.Context(), token, Grant{Role: workerRole + "2", Name: "one"})
	var e *Error
	if !errors.As(there, &e) || e.Code != "InvalidIdentityToken" || missing == nil || there.Error() != missing.Error() {
		t.Errorf("there: %v; not there: %v", there, missing)
	}
}

// TestNetworkOfAZone: a link-local address is in its network, whatever interface it
// came by.
func TestNetworkOfAZone(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `{"Statement":{"Effect":"Deny","Action":"sqs:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"fe80::/10"}}}}`, Identity)
	if d := p.Evaluate(Request{Action: "sqs:SendMessage", Resource: queue, Context: Context{"aws:SourceIp": {"fe80::1%eth0"}}}); d != Deny {
		t.Errorf("%v", d)
	}
}
