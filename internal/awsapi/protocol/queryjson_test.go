package protocol

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestQueryRouting: which operation a request of Query means, from its path, its
// parameters and headers that point elsewhere.
func TestQueryRouting(t *testing.T) {
	t.Parallel()
	type in struct{ QueueUrl string }
	type out struct{ Got string }
	get := func(_ context.Context, _ *Call, in *in) (*out, error) { return &out{Got: in.QueueUrl}, nil }
	api := &API{Name: "sqs", Target: "AmazonSQS", JSON: "1.0", Namespace: "urn:x", PathMember: "QueueUrl", Operations: []Operation{
		Op("CreateQueue", get, RootOnly()), Op("GetQueueUrl", get),
	}}
	form := func(path, body string) *http.Request {
		r := formRequest(path, body)
		r.Host = "127.0.0.1"
		return r
	}
	header := func(r *http.Request, name, value string) *http.Request {
		r.Header.Set(name, value)
		return r
	}
	target := func(r *http.Request, target string) *http.Request {
		return header(r, "X-Amz-Target", target)
	}
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		want   string
	}{
		{"on a queue's path", form("/1/q", "Action=GetQueueUrl"), 200, "<Got>http://127.0.0.1/1/q</Got>"},
		{"does not belong to a queue", form("/1/q", "Action=CreateQueue"), 400, "<Code>InvalidAction</Code>"},
		{"where it belongs", form("/", "Action=CreateQueue&QueueUrl=x"), 200, "<Got>x</Got>"},
		{"no action", form("/1/q", "Version=2012-11-05"), 404, "<UnknownOperationException/>"},
		{"no action, JSON wanted", header(form("/1/q", ""), "Accept", "application/json"), 404, "<UnknownOperationException/>"},
		{"no action at the root", form("/", ""), 400, "<Code>MissingAction</Code>"},
		{"form beside an unknown target", target(form("/", "Action=GetQueueUrl&QueueUrl=x"), "Other.Do"), 200, "<Got>x</Got>"},
		{"form beside a target of ours", target(form("/", "Action=GetQueueUrl&QueueUrl=x"), "AmazonSQS.Do"), 400, "UnknownOperationException"},
		{"query string beside an unknown target", target(httptest.NewRequest("POST", "http://127.0.0.1/?Action=GetQueueUrl&QueueUrl=x", nil), "Other.Do"), 200, "<Got>x</Got>"},
		{"unknown target alone", target(httptest.NewRequest("POST", "http://127.0.0.1/", nil), "Other.Do"), 400, `"com.amazon.coral.service#UnknownOperationException"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.APIs = []*API{api} })
			if w := f.do(tt.r); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s, want %d with %s", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

func TestQueryAnswersJSON(t *testing.T) {
	t.Parallel()
	type entry struct {
		Id    string
		Count int32
		Sub   *string
	}
	type out struct {
		Names   []string `query:"Name,flat" querydoc:"names"`
		Entries []entry  `query:"Entry,flat"`
		Tags    map[string]string
		Attrs   map[string]entry `query:"Attr,flat,Name,Value"`
		Next    string
		Flag    bool
	}
	answers := map[string]*out{
		"full": {Names: []string{"a", `"b"`}, Entries: []entry{{Id: "1", Count: 7}}, Tags: map[string]string{"k": "v"},
			Attrs: map[string]entry{"n": {Sub: ptr("s")}}, Next: "t", Flag: true},
		"empty": {},
		"none":  nil,
	}
	type in struct{ Which string }
	api := &API{Name: "sqs", Namespace: "urn:x", Operations: []Operation{
		Op("List", func(_ context.Context, _ *Call, in *in) (*out, error) {
			if in.Which == "fail" {
				return nil, &Error{Code: "Full", QueryCode: "Too.Full", Message: `No "room".`, Status: 507, Receiver: true}
			}
			return answers[in.Which], nil
		}),
		Op("Delete", func(context.Context, *Call, *in) (*Empty, error) { return nil, nil }),
	}}
	const metadata = `"ResponseMetadata":{"RequestId":"request-1"}}}`
	const absent = `{"ListResponse":{"ListResult":{"names":null,"Entries":null,"Tags":null,"Attrs":null,"Next":null,"Flag":false},` + metadata
	for _, tt := range []struct {
		query, accept string
		status        int
		want          string
	}{
		{"Action=List&Which=full", "application/json", 200, `{"ListResponse":{"ListResult":{"names":["a","\"b\""],"Entries":[{"Id":"1","Count":7,"Sub":null}],` +
			`"Tags":[{"key":"k","value":"v"}],"Attrs":[{"Name":"n","Value":{"Id":null,"Count":0,"Sub":"s"}}],"Next":"t","Flag":true},` + metadata},
		{"Action=List&Which=empty", "text/html, Application/JSON;q=0.9", 200, absent},
		{"Action=List&Which=none", "application/json", 200, absent},
		{"Action=Delete", "application/json", 200, `{"DeleteResponse":{` + metadata},
		{"Action=List&Which=fail", "application/json", 507, `{"Error":{"Code":"Too.Full","Detail":null,"Message":"No \"room\".","Type":"Receiver"},"RequestId":"request-1"}`},
		{"Action=Nothing", "application/json", 400, `{"Error":{"Code":"InvalidAction","Detail":null,"Message":"The action Nothing is not valid for this endpoint.","Type":"Sender"},"RequestId":"request-1"}`},
		{"Action=Delete", "*/*", 200, `<?xml version="1.0"?><DeleteResponse xmlns="urn:x"><ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></DeleteResponse>`},
	} {
		t.Run(tt.query+" "+tt.accept, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.APIs = []*API{api} })
			r := httptest.NewRequest("GET", "http://127.0.0.1/?"+tt.query, nil)
			r.Header.Set("Accept", tt.accept)
			w := f.do(r)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			if want := map[bool]string{true: "application/json", false: "text/xml"}[tt.want[0] == '{']; w.Header().Get("Content-Type") != want {
				t.Errorf("Content-Type %s, want %s", w.Header().Get("Content-Type"), want)
			}
		})
	}
}
