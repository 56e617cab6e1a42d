package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDeliveries(t *testing.T) {
	t.Parallel()
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		q := r.URL.Query()
		w.Header().Set("Content-Type", "application/json")
		answer := "{}"
		switch {
		case r.Method == http.MethodPost && q.Get("do") == "retry":
			answer = `{"retried":7}`
		case r.Method == http.MethodPost:
		case q.Get("list") == "endpoints" && q.Get("from") == "":
			answer = `{"endpoints":[{"name":"arn:1","address":"http://a/","state":"open","failing_since":"2026-01-31T10:00:00Z","waiting":3,"in_flight":1,"undelivered":4}],"next":"x"}`
		case q.Get("list") == "endpoints":
			answer = `{"endpoints":[{"name":"arn:2","address":"http://b/","state":"ok"}]}`
		case q.Get("list") == "attempts":
			answer = `{"attempts":[{"time":"2026-01-31T10:00:00Z","message":"m","attempt":2,"status":503,"class":"status","text":"bu\u001b[31msy","seconds":0.25}]}`
		case q.Get("endpoint") == "nobody":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			answer = "There is no such endpoint.\n"
		default:
			answer = `{"undelivered":[{"id":"17","message":"m","time":"2026-01-31T10:00:00Z","attempts":4,"class":"timeout"}]}`
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	for _, tt := range []struct {
		args []string
		code int
		want []string
		ask  string
	}{
		{[]string{"deliveries"}, 0, []string{"ENDPOINT", "arn:1     http://a/  open   2026-01-31T10:00:00Z  4        4", "arn:2"}, "GET /deliveries?from=x&list=endpoints&max=1000"},
		{[]string{"deliveries", "attempts", "arn:1", "--failed", "--status", "503"}, 0, []string{"2        status   503     250ms  bu [31msy"}, "GET /deliveries?endpoint=arn%3A1&failed=true&list=attempts&max=1000&status=503"},
		{[]string{"deliveries", "undelivered", "arn:1", "--json"}, 0, []string{`"id":"17"`}, "GET /deliveries?endpoint=arn%3A1&list=undelivered&max=1000"},
		{[]string{"deliveries", "undelivered", "nobody"}, 1, []string{"There is no such endpoint."}, "GET /deliveries?endpoint=nobody&list=undelivered&max=1000"},
		{[]string{"deliveries", "retry", "arn:1", "--id", "17", "--class", "timeout"}, 0, []string{"7 messages are tried again"}, "POST /deliveries?class=timeout&do=retry&endpoint=arn%3A1&id=17"},
		{[]string{"deliveries", "enable", "arn:1"}, 0, []string{"enabled"}, "POST /deliveries?do=enable&endpoint=arn%3A1"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), append(tt.args, "--url", s.URL), &out, &out)
		if code != tt.code || len(asked) == 0 || asked[len(asked)-1] != tt.ask {
			t.Errorf("%v: exit code %d, asked %v, want %s: %s", tt.args, code, asked, tt.ask, out.String())
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: output\n%s\nwant %q", tt.args, out.String(), want)
			}
		}
	}
}
