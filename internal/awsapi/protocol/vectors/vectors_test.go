package vectors

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// message is what the tests say of a request or an answer.
type message struct {
	Method         string
	URI            string
	Host           string
	ResolvedHost   string
	QueryParams    []string
	Headers        map[string]string
	ForbidHeaders  []string
	RequireHeaders []string
	Body           *string
	BodyMediaType  string
	Code           int
}

type vector struct {
	ID        string
	Protocol  string
	AppliesTo string
	Params    json.RawMessage
	message
}

// malformed is a request that is to be refused; its texts may hold $NAME:L and
// $NAME:S, for each value of parameter NAME in turn.
type malformed struct {
	ID        string
	Protocol  string
	AppliesTo string
	Request   message
	Response  struct {
		Code    int
		Headers map[string]string
	}
	TestParameters map[string][]string
}

// service is a Smithy service and the API made of it.
type service struct {
	*maker
	*shape
	api protocol.API
}

// protocols are those spoken, by their traits.
var protocols = map[string]string{
	"aws.protocols#awsJson1_0":   "awsJson1_0",
	"aws.protocols#awsJson1_1":   "awsJson1_1",
	"aws.protocols#awsQuery":     "awsQuery",
	"aws.protocols#restJson1":    "restJson1",
	"smithy.protocols#rpcv2Cbor": "rpcv2Cbor",
}

// services gives all services of the models.
func services(t testing.TB) []*service {
	t.Helper()
	m := models(t)
	var list []*service
	for _, id := range sorted(m) {
		s := m[id]
		if s.Type != "service" {
			continue
		}
		for trait, name := range protocols {
			if s.Traits.has(trait) {
				list = append(list, newService(m, s, name))
			}
		}
	}
	if len(list) < 10 {
		t.Fatalf("the models have only %d services", len(list))
	}
	return list
}

func newService(m model, s *shape, name string) *service {
	_, short, _ := strings.Cut(s.ID, "#")
	sv := &service{maker: &maker{model: m, protocol: name, depth: map[string]int{}}, shape: s}
	sv.api = protocol.API{Name: "vectors", Title: short, Version: s.Version, QueryErrorHeader: s.Traits.has("aws.protocols#awsQueryCompatible")}
	switch name {
	case "awsJson1_0":
		sv.api.Target, sv.api.JSON = short, "1.0"
	case "awsJson1_1":
		sv.api.Target, sv.api.JSON = short, "1.1"
	case "awsQuery":
		var xml struct{ URI string }
		s.Traits.into("smithy.api#xmlNamespace", &xml)
		sv.api.Namespace = xml.URI
	case "restJson1":
		sv.api.REST = true
	case "rpcv2Cbor":
		sv.api.RPC = short
	}
	return sv
}

// handler serves the service with these operations.
func (sv *service) handler(t testing.TB, requestID string, ops ...protocol.Operation) http.Handler {
	t.Helper()
	h, err := sv.serve(requestID, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (sv *service) serve(requestID string, ops ...protocol.Operation) (http.Handler, error) {
	open, err := access.New(access.Config{})
	if err != nil {
		return nil, err
	}
	api := sv.api
	api.Operations = ops
	return protocol.NewHandler(protocol.Config{APIs: []*protocol.API{&api}, Access: open, NewRequestID: func() string { return requestID }})
}

// route is where REST-JSON finds an operation.
func route(op *shape) protocol.Option {
	var h struct {
		Method, URI string
		Code        int
	}
	if !op.Traits.into("smithy.api#http", &h) {
		h.Method, h.URI = "POST", "/"
	}
	return protocol.At(h.Method, h.URI, h.Code)
}

// all gives the service's operations, those of its resources too.
func (sv *service) all() []*shape {
	var list []*shape
	for _, o := range sv.Operations {
		list = append(list, sv.model.shape(o.Target))
	}
	return list
}

func name(id string) string {
	_, short, _ := strings.Cut(id, "#")
	return short
}

// decodeParams reads a test's parameters, keeping numbers as they are.
func decodeParams(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return map[string]any{}, nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err
}

// header gives a header's value.
func (m *message) header(name string) string {
	for k, v := range m.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// request builds what a test describes.
func (m *message) request() *http.Request {
	uri := m.URI
	if len(m.QueryParams) > 0 {
		separator := "?"
		if strings.Contains(uri, "?") {
			separator = "&"
		}
		uri += separator + strings.Join(m.QueryParams, "&")
	}
	var body []byte
	if m.Body != nil {
		body = []byte(*m.Body)
		if m.header("Content-Type") == "application/cbor" {
			if raw, err := base64.StdEncoding.DecodeString(*m.Body); err == nil {
				body = raw
			}
		}
	}
	r := httptest.NewRequest(cmp.Or(m.Method, "POST"), "http://localhost"+uri, bytes.NewReader(body))
	for k, v := range m.Headers {
		r.Header.Set(k, v)
	}
	return r
}

// seen are the tests that ran.
var seen sync.Map

// outcome is how a test ended: not applicable tests are told apart from those that
// fail, so that a list of them cannot hide what works.
func outcome(t *testing.T, id string, err error) {
	t.Helper()
	key := id
	if _, ok := notApplicable[t.Name()]; ok { // a name that tests of both kinds have
		key = t.Name()
	}
	reason, listed := notApplicable[key]
	seen.Store(key, true)
	switch {
	case err != nil && !listed:
		t.Error(err)
	case err == nil && listed:
		t.Errorf("works, though it is said not to apply: %s", reason)
	}
}

// TestRequests: requests are read as the inputs that they stand for.
func TestRequests(t *testing.T) {
	t.Parallel()
	n := 0
	for _, sv := range services(t) {
		if notApplicableServices[sv.ID] != "" {
			continue
		}
		for _, op := range sv.all() {
			for _, v := range sv.vectors(t, op, "smithy.test#httpRequestTests") {
				n++
				t.Run(v.ID, func(t *testing.T) { outcome(t, v.ID, sv.checkRequest(t, op, v)) })
			}
		}
	}
	atLeast(t, n, 280)
}

// vectors are the tests of a shape for the service's protocol and for servers.
func (sv *service) vectors(t testing.TB, s *shape, trait string) []vector {
	t.Helper()
	var all, ours []vector
	if raw, ok := s.Traits[trait]; ok {
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatalf("%s: %v", s.ID, err)
		}
	}
	for _, v := range all {
		if name(v.Protocol) == sv.protocol && v.AppliesTo != "client" {
			ours = append(ours, v)
		}
	}
	return ours
}

func (sv *service) checkRequest(t *testing.T, op *shape, v vector) error {
	in := sv.structType(op.Input.Target)
	var got reflect.Value
	h := sv.handler(t, v.header("X-Amzn-Requestid"), protocol.OpOf(name(op.ID), in, emptyType, func(_ context.Context, _ *protocol.Call, in any) (any, error) {
		got = reflect.ValueOf(in)
		return nil, nil
	}, route(op)))
	params, err := decodeParams(v.Params)
	if err != nil {
		return err
	}
	want := reflect.New(in)
	if in != emptyType {
		if err := sv.fill(want.Elem(), op.Input.Target, params); err != nil {
			return err
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, sv.completed(op, &v.message).request())
	if !got.IsValid() {
		return fmt.Errorf("refused: %d %s %v", w.Code, w.Body, w.Header())
	}
	if g, w := dump(got), dump(want); g != w {
		return fmt.Errorf("got  %s\nwant %s", g, w)
	}
	return nil
}

// completed adds the X-Amz-Target that some tests leave out.
func (sv *service) completed(op *shape, m *message) *message {
	if sv.api.Target == "" || m.Headers["X-Amz-Target"] != "" {
		return m
	}
	c := *m
	c.Headers = maps.Clone(m.Headers)
	if c.Headers == nil {
		c.Headers = map[string]string{}
	}
	c.Headers["X-Amz-Target"] = sv.api.Target + "." + name(op.ID)
	return &c
}

// TestResponses: outputs are written as the answers that they stand for.
func TestResponses(t *testing.T) {
	t.Parallel()
	n := 0
	for _, sv := range services(t) {
		for _, op := range sv.all() {
			for _, v := range sv.vectors(t, op, "smithy.test#httpResponseTests") {
				n++
				t.Run(v.ID, func(t *testing.T) { outcome(t, v.ID, sv.checkResponse(t, op, v)) })
			}
		}
	}
	atLeast(t, n, 199)
}

// call sends the simplest request to an operation without an input.
func (sv *service) call(h http.Handler, operation string) *httptest.ResponseRecorder {
	m := message{Method: "POST", URI: "/", Headers: map[string]string{}}
	switch sv.protocol {
	case "awsJson1_0", "awsJson1_1":
		m.Headers["X-Amz-Target"] = sv.api.Target + "." + operation
	case "awsQuery":
		m.Headers["Content-Type"] = "application/x-www-form-urlencoded"
		body := "Action=" + operation
		m.Body = &body
	case "rpcv2Cbor":
		m.Headers["Smithy-Protocol"] = "rpc-v2-cbor"
		m.URI = "/service/" + sv.api.RPC + "/operation/" + operation
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, m.request())
	return w
}

// answer fills a struct of a shape for a test.
func (sv *service) answer(t reflect.Type, id string, raw json.RawMessage) (any, error) {
	out := reflect.New(t)
	params, err := decodeParams(raw)
	if err == nil && t != emptyType {
		err = sv.fill(out.Elem(), id, params)
	}
	return out.Interface(), err
}

func (sv *service) checkResponse(t *testing.T, op *shape, v vector) error {
	typ := sv.structType(op.Output.Target)
	out, err := sv.answer(typ, op.Output.Target, v.Params)
	if err != nil {
		return err
	}
	var http struct{ Code int }
	op.Traits.into("smithy.api#http", &http)
	h := sv.handler(t, v.header("X-Amzn-Requestid"), protocol.OpOf(name(op.ID), emptyType, typ, func(context.Context, *protocol.Call, any) (any, error) {
		return out, nil
	}, protocol.At("POST", "/", http.Code)))
	return v.compare(sv.call(h, name(op.ID)))
}

// TestErrors: errors are written as the answers that they stand for.
func TestErrors(t *testing.T) {
	t.Parallel()
	n := 0
	for _, sv := range services(t) {
		for id := range sv.errorShapes() {
			for _, v := range sv.vectors(t, sv.model.shape(id), "smithy.test#httpResponseTests") {
				n++
				t.Run(v.ID, func(t *testing.T) { outcome(t, v.ID, sv.checkError(t, sv.model.shape(id), v)) })
			}
		}
	}
	atLeast(t, n, 17)
}

func (sv *service) errorShapes() map[string]bool {
	ids := map[string]bool{}
	for _, e := range sv.Errors {
		ids[e.Target] = true
	}
	for _, op := range sv.all() {
		for _, e := range op.Errors {
			ids[e.Target] = true
		}
	}
	return ids
}

func (sv *service) checkError(t *testing.T, s *shape, v vector) error {
	e := &protocol.Error{Code: name(s.ID), Receiver: s.Traits.text("smithy.api#error") == "server"}
	s.Traits.into("smithy.api#httpError", &e.Status)
	var query struct {
		Code             string
		HTTPResponseCode int
	}
	if s.Traits.into("aws.protocols#awsQueryError", &query) {
		e.QueryCode = query.Code
		if sv.protocol == "awsQuery" {
			e.Status = query.HTTPResponseCode
		}
	}
	detail, err := sv.answer(sv.structType(s.ID), s.ID, v.Params)
	if err != nil {
		return err
	}
	e.Detail = detail
	h := sv.handler(t, v.header("X-Amzn-Requestid"), protocol.OpOf("Fail", emptyType, emptyType, func(context.Context, *protocol.Call, any) (any, error) {
		return nil, e
	}, protocol.At("POST", "/", 0)))
	return v.compare(sv.call(h, "Fail"))
}

// compare holds an answer against what a test says.
func (m *message) compare(w *httptest.ResponseRecorder) error {
	if m.Code != 0 && w.Code != m.Code {
		return fmt.Errorf("status %d, want %d: %s", w.Code, m.Code, w.Body)
	}
	var errs []error
	for k, v := range m.Headers {
		got := strings.Join(w.Header().Values(k), ", ")
		if strings.EqualFold(k, "X-Amzn-Errortype") || strings.EqualFold(k, "X-Amzn-Query-Error") {
			got, _, _ = strings.Cut(got, ":") // clients drop what follows
		}
		if got != v {
			errs = append(errs, fmt.Errorf("%s: %q, want %q", k, got, v))
		}
	}
	for _, k := range m.ForbidHeaders {
		if _, ok := w.Header()[http.CanonicalHeaderKey(k)]; ok {
			errs = append(errs, fmt.Errorf("%s: %q, want none", k, w.Header().Get(k)))
		}
	}
	for _, k := range m.RequireHeaders {
		if w.Header().Get(k) == "" {
			errs = append(errs, fmt.Errorf("%s is missing", k))
		}
	}
	if m.Body != nil {
		errs = append(errs, sameBody(m.BodyMediaType, w.Body.Bytes(), *m.Body))
	}
	return errors.Join(errs...)
}

// TestMalformed: what is no request is refused with the error that it should be.
func TestMalformed(t *testing.T) {
	t.Parallel()
	n := 0
	for _, sv := range services(t) {
		for _, op := range sv.all() {
			var all []malformed
			if raw, ok := op.Traits["smithy.test#httpMalformedRequestTests"]; !ok {
				continue
			} else if err := json.Unmarshal(raw, &all); err != nil {
				t.Fatalf("%s: %v", op.ID, err)
			}
			for _, v := range all {
				if name(v.Protocol) != sv.protocol {
					continue
				}
				n++
				if notApplicableServices[sv.ID] != "" {
					continue
				}
				t.Run(v.ID, func(t *testing.T) {
					var errs []error
					for i, v := range v.expand(t) {
						if err := sv.checkMalformed(t, op, &v); err != nil {
							errs = append(errs, fmt.Errorf("case %d: %w", i, err))
						}
					}
					outcome(t, v.ID, errors.Join(errs...))
				})
			}
		}
	}
	atLeast(t, n, 180)
}

// expand makes a test of every value of the parameters.
func (v *malformed) expand(t *testing.T) []malformed {
	if len(v.TestParameters) == 0 {
		return []malformed{*v}
	}
	n := 0
	for _, values := range v.TestParameters {
		n = len(values)
	}
	list := make([]malformed, n)
	for i := range list {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		for name, values := range v.TestParameters {
			text = strings.ReplaceAll(text, "$"+name+":L", escaped(values[i]))
			text = strings.ReplaceAll(text, "$"+name+":S", escaped(strconv.Quote(values[i])))
		}
		if err := json.Unmarshal([]byte(text), &list[i]); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	return list
}

// escaped writes a text as it stands inside of a JSON string.
func escaped(s string) string {
	b, _ := json.Marshal(s) // a string is never refused
	return string(b[1 : len(b)-1])
}

func (sv *service) checkMalformed(t *testing.T, op *shape, v *malformed) error {
	h := sv.handler(t, "", protocol.OpOf(name(op.ID), sv.structType(op.Input.Target), emptyType, func(context.Context, *protocol.Call, any) (any, error) {
		return nil, nil
	}, route(op)))
	w := httptest.NewRecorder()
	r := v.Request.request()
	h.ServeHTTP(w, r)
	want := message{Code: v.Response.Code, Headers: v.Response.Headers}
	if err := want.compare(w); err != nil {
		body := ""
		if v.Request.Body != nil {
			body = *v.Request.Body
		}
		return fmt.Errorf("%s %v %s: %w", r.URL, v.Request.Headers, body, err)
	}
	return nil
}

func atLeast(t *testing.T, n, want int) {
	t.Helper()
	if n < want {
		t.Errorf("only %d tests ran, want at least %d: are the models all there?", n, want)
	}
}
