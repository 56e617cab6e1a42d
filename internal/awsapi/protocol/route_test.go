package protocol

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	var rs routes
	for name, r := range map[string]Route{
		"List":    {Method: "GET", Template: "/v1/functions/"},
		"Get":     {Method: "GET", Template: "/v1/functions/{Name}"},
		"Special": {Method: "GET", Template: "/v1/functions/special"},
		"Invoke":  {Method: "POST", Template: "/v1/functions/{Name}/invocations"},
		"File":    {Method: "GET", Template: "/v1/files/{Path+}"},
		"Parts":   {Method: "GET", Template: "/v1/files/{Path+}/parts/{Number}"},
		"Version": {Method: "GET", Template: "/v1/functions/{Name}?qualifier"},
		"Mode":    {Method: "GET", Template: "/v1/functions/{Name}?mode=all&deep"},
		"Root":    {Method: "GET", Template: "/"},
		"Any":     {Method: "GET", Template: "/{Bucket}"},
	} {
		parsed, err := parseRoute(r)
		if err != nil {
			t.Fatal(err)
		}
		rs.add(&operation{Operation: &Operation{Name: name}, route: parsed})
	}
	for _, tt := range []struct {
		method, url, want string
		labels            []string
		known             bool
	}{
		{"GET", "/v1/functions", "List", nil, true},
		{"GET", "/v1/functions/", "List", nil, true},
		{"GET", "/v1/functions/a", "Get", []string{"a"}, true},
		{"GET", "/v1/functions/a%2Fb%20c", "Get", []string{"a/b c"}, true},
		{"GET", "/v1/functions/special", "Special", nil, true},
		{"GET", "/v1/functions/a?qualifier=1", "Version", []string{"a"}, true},
		{"GET", "/v1/functions/a?mode=all&deep=", "Mode", []string{"a"}, true},
		{"GET", "/v1/functions/a?mode=some&deep=", "Get", []string{"a"}, true},
		{"POST", "/v1/functions/a/invocations", "Invoke", []string{"a"}, true},
		{"PUT", "/v1/functions/a/invocations", "", nil, true},
		{"POST", "/v1/functions//invocations", "", nil, false},
		{"GET", "/v1/files/a/b/c", "File", []string{"a/b/c"}, true},
		{"GET", "/v1/files/a/b/parts/7", "Parts", []string{"a/b", "7"}, true},
		{"GET", "/v1/files", "", nil, false},
		{"GET", "/v2/x", "", nil, false},
		{"GET", "/", "Root", nil, true},
		{"GET", "/bucket", "Any", []string{"bucket"}, true},
		{"GET", "/%zz", "", nil, false},
	} {
		path, query, _ := strings.Cut(tt.url, "?")
		op, labels, known := rs.find(tt.method, path, query)
		got := ""
		if op != nil {
			got = op.Name
		}
		if got != tt.want || !slices.Equal(labels, tt.labels) || known != tt.known {
			t.Errorf("%s %s: %q %q %v", tt.method, tt.url, got, labels, known)
		}
	}
}

func TestRoutesRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []Route{
		{}, {Method: "GET"}, {Method: "GET", Template: "x"}, {Template: "/x"},
		{Method: "GET", Template: "/a//b"}, {Method: "GET", Template: "/a{b}"}, {Method: "GET", Template: "/{a}{b}"},
		{Method: "GET", Template: "/{}"}, {Method: "GET", Template: "/{a}/{a}"}, {Method: "GET", Template: "/{a+}/{b+}"},
	} {
		if _, err := parseRoute(r); err == nil {
			t.Errorf("%+v: accepted", r)
		}
	}
}

// TestRESTServices: two APIs share a path; the signature says which is meant.
func TestRESTServices(t *testing.T) {
	t.Parallel()
	rest := func(name string) *API {
		return &API{Name: name, REST: true, Operations: []Operation{
			Missing("ListTags", "", At("GET", "/tags/{Arn}", 0)), Missing(name, "", At("GET", "/"+name, 0))}}
	}
	tab, err := newTable([]*API{rest("pipes"), rest("scheduler"), {Name: "sqs", Namespace: "n"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, scope, want string }{
		{"/tags/x", "", "pipes"}, {"/tags/x", "scheduler", "scheduler"}, {"/tags/x", "sqs", ""},
		{"/scheduler", "", "scheduler"}, {"/scheduler", "pipes", "pipes"}, {"/1/q", "", ""},
	} {
		r := httptest.NewRequest("GET", tt.path, nil)
		if tt.scope != "" {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260301/eu-west-1/"+tt.scope+"/aws4_request, SignedHeaders=host, Signature=0")
		}
		s, _, _, _ := tab.restService(r)
		got := ""
		if s != nil {
			got = s.Name
		}
		if got != tt.want {
			t.Errorf("%s signed for %q: %q, want %q", tt.path, tt.scope, got, tt.want)
		}
	}
}
