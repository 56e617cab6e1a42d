package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rules and subscriptions are explained with the definition that the server gives, and
// patterns tried on the events that it has archived.
func TestExplainAndRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	event := file("event.json", `{"source":"shop","detail":{"amount":70}}`)
	attributes := file("attributes.json", `{"kind":{"DataType":"String","StringValue":"offer"}}`)
	pattern, bad, large := file("pattern.json", `{"detail":{"amount":[{"numeric":[">",100]}]}}`), file("bad.json", `{"a":1}`), file("large.json", strings.Repeat(" ", 1<<20+1))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "application/json")
		answer := ""
		switch r.URL.Path + " " + q.Get("name") + q.Get("archive") + q.Get("from") {
		case "/explain rule":
			answer = `{"name":"rule","kind":"event pattern","pattern":"{\"detail\":{\"amount\":[{\"numeric\":[\">\",1000]}]}}"}`
		case "/explain disabled":
			answer = `{"name":"disabled","kind":"event pattern","pattern":"{}","stopped":"The rule is disabled."}`
		case "/explain body":
			answer = `{"name":"body","kind":"filter policy of the body","pattern":"{\"source\":[\"shop\"]}"}`
		case "/explain attributes":
			answer = `{"name":"attributes","kind":"filter policy of attributes","pattern":"{\"kind\":[\"urgent\"]}"}`
		case "/explain all":
			answer = `{"name":"all","kind":"filter policy of attributes"}`
		case "/archived ":
			answer = `{"archives":["one"]}`
		case "/archived one":
			answer = `{"events":[{"detail":{"amount":5}},{"detail":{"amount":500}}],"next":"x"}`
		case "/archived onex":
			answer = `{"events":[{"detail":{"amount":700}}]}`
		default:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			answer = "There is no such rule or subscription.\n"
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"explain", "rule", "--event", event}, 0, `Field "detail.amount" is 70, the pattern wants {"numeric":[">",1000]}.`},
		{[]string{"explain", "disabled", "--event", event}, 0, "The rule is disabled."},
		{[]string{"explain", "body", "--event", event}, 0, "The event matches."},
		{[]string{"explain", "attributes", "--event", attributes}, 0, `Field "kind" is "offer", the pattern wants "urgent".`},
		{[]string{"explain", "attributes", "--event", pattern}, 1, "message attributes are given as"},
		{[]string{"explain", "all", "--event", attributes}, 0, "every message matches"},
		{[]string{"explain", "nobody", "--event", event}, 1, "There is no such rule or subscription."},
		{[]string{"explain", "rule", "--event", large}, 1, "more than 1 MiB"},
		{[]string{"rules", "test", "--pattern", pattern}, 0, "2 of 3 events of one match."},
		{[]string{"rules", "test", "--pattern", pattern}, 0, `matches: {"detail":{"amount":500}}`},
		{[]string{"rules", "test", "--pattern", pattern, "--explain", "--archive", "one"}, 0, `Field "detail.amount" is 5,`},
		{[]string{"rules", "test", "--pattern", bad}, 1, "the pattern is not valid"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), append(tt.args, "--url", s.URL), &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: exit code %d: %s\nwant %d and %q", tt.args, code, out.String(), tt.code, tt.want)
		}
	}
}
