package access

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exampleKeys = `
keys:
  - key: AKIAORDERS0000000001
    secret: wJalrXUtnFEMI/K7MDENG
    account: "123456789012"
    user: orders
    policy:
      Version: 2012-10-17
      Statement:
        - Effect: Allow
          Action: ["sqs:SendMessage", "sqs:GetQueueUrl"]
          Resource: "arn:aws:sqs:*:123456789012:orders-*"
          Condition: {Bool: {"aws:SecureTransport": true}, NumericLessThan: {"x:n": 5}}
  - key: AKIAADMIN00000000001
    secret: another-secret
    account: 000000000012
  - {key: AKIAJSON, secret: another-secret, account: "123456789012", user: json,
     policy: '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'}
`

func writeKeys(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeysFile(t *testing.T) {
	t.Parallel()
	a, err := New(Config{KeysFile: writeKeys(t, exampleKeys, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	if a.Open() || len(a.Warnings()) != 0 || len(a.dir.Load().keys) != 3 {
		t.Errorf("open %v, warnings %q, %d keys", a.Open(), a.Warnings(), len(a.dir.Load().keys))
	}
	p := a.dir.Load().keys["AKIAORDERS0000000001"].principal
	if p.ARN != "arn:aws:iam::123456789012:user/orders" || !strings.HasPrefix(p.UserID, "AIDA") || len(p.UserID) != 21 || p.Policy == nil {
		t.Errorf("principal %+v", p)
	}
	if err := a.Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: "arn:aws:sqs:x:123456789012:orders-1", Account: p.Account,
		Context: func() Context { return Context{"aws:SecureTransport": {"true"}, "x:n": {"4"}} }}); err != nil {
		t.Error(err)
	}
	root := a.dir.Load().keys["AKIAADMIN00000000001"].principal
	if root.Account != "000000000012" || root.ARN != "arn:aws:iam::000000000012:root" || root.UserID != root.Account || root.Policy != nil {
		t.Errorf("principal %+v", root)
	}
	if d := a.dir.Load().keys["AKIAJSON"].principal.Policy.Evaluate(Request{Action: "a:b", Resource: "x"}); d != Deny {
		t.Errorf("policy in JSON: %v", d)
	}
}

func TestKeysFileWarning(t *testing.T) {
	t.Parallel()
	a, err := New(Config{KeysFile: writeKeys(t, exampleKeys, 0o644)})
	if err != nil {
		t.Fatal(err)
	}
	if w := a.Warnings(); len(w) != 1 || !strings.Contains(w[0], "chmod 600") {
		t.Errorf("warnings %q", w)
	}
}

func TestKeysFileRefused(t *testing.T) {
	t.Parallel()
	const good = "key: K, secret: longenough, account: \"123456789012\""
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "is empty"},
		{"no keys", "keys: []", "names no keys"},
		{"unknown key", "keys: [{" + good + ", admin: true}]", "admin"},
		{"unknown top key", "kyes: []", "kyes"},
		{"no YAML", "\tkeys", "cannot start any token"},
		{"two documents", "keys: [{" + good + "}]\n---\nkeys: []", "more than one"},
		{"no secret", `keys: [{key: K, account: "123456789012"}]`, "secret must have"},
		{"no access key", `keys: [{secret: longenough, account: "123456789012"}]`, "key is missing"},
		{"slash in key", `keys: [{key: A/B, secret: longenough, account: "123456789012"}]`, "without blanks"},
		{"account", `keys: [{key: K, secret: longenough, account: "12345"}]`, "twelve digits"},
		{"user", `keys: [{` + good + `, user: "a b"}]`, "user"},
		{"same key", "keys: [{" + good + "}, {" + good + "}]", "given twice"},
		{"policy", "keys: [{" + good + ", policy: {Statement: [{Effect: Maybe}]}}]", "keys[0] (key \"K\"): policy: Statement[0]: Effect must be"},
		{"null policy", "keys: [{" + good + ", policy: null}]", "policy"},
		{"policy keys", "keys: [{" + good + ", policy: {1: 2}}]", "policy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(Config{KeysFile: writeKeys(t, tt.text, 0o600)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "longenough") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	if _, err := New(Config{KeysFile: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a missing file was accepted")
	}
	if _, err := New(Config{DefaultAccount: "1"}); err == nil {
		t.Error("a short account was accepted")
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(exampleKeys))
	f.Add([]byte("keys: [{key: &a [*a]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		who, err := parseKeys(data)
		if err == nil && len(who.keys) == 0 && len(who.roles) == 0 {
			t.Fatal("accepted nobody")
		}
	})
}
