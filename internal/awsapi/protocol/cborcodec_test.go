package protocol

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// TestCBORRouting: what RPC v2 and AWS's older CBOR answer to, and how they refuse.
func TestCBORRouting(t *testing.T) {
	t.Parallel()
	echo := fromHex(t, "a1 64426f6479 6474657874") // {"Body": "text"}
	for _, tt := range []struct {
		name, method, path       string
		target, protocol, media  string
		body                     []byte
		status                   int
		answer, code, bodyMember string
	}{
		{"RPC", "POST", "/service/E/operation/Echo", "", rpcName, rpcType, echo, 200, rpcType, "", "text"},
		{"behind a prefix", "POST", "/a/service/b/service/E/operation/Echo", "", rpcName, rpcType, echo, 200, rpcType, "", "text"},
		{"without a body", "POST", "/service/E/operation/Echo", "", rpcName, "", nil, 200, rpcType, "", ""},
		{"parameters of the type", "POST", "/service/E/operation/Echo", "", rpcName, "application/CBOR; x=y", echo, 200, rpcType, "", "text"},
		{"GET", "GET", "/service/E/operation/Echo", "", rpcName, "", nil, 405, rpcType, "com.amazon.coral.service#MethodNotAllowed", ""},
		{"no such operation", "POST", "/service/E/operation/Nothing", "", rpcName, rpcType, echo, 400, rpcType, "com.amazon.coral.service#UnknownOperationException", ""},
		{"no such service", "POST", "/service/F/operation/Echo", "", rpcName, rpcType, echo, 400, rpcType, "com.amazon.coral.service#UnknownOperationException", ""},
		{"another path", "POST", "/E/Echo", "", rpcName, rpcType, echo, 400, rpcType, "com.amazon.coral.service#UnknownOperationException", ""},
		{"JSON as CBOR", "POST", "/service/E/operation/Echo", "", rpcName, "application/json", []byte("{}"), 415, rpcType, "com.amazon.coral.service#UnsupportedMediaTypeException", ""},
		{"not well-formed", "POST", "/service/E/operation/Echo", "", rpcName, rpcType, []byte{0xa1}, 400, rpcType, "com.amazon.coral.service#SerializationException", ""},
		{"AWS CBOR", "POST", "/", "E.Echo", "", cborType, echo, 200, cborType, "", "text"},
		{"AWS CBOR, no such operation", "POST", "/", "E.Nothing", "", cborType, echo, 400, cborType, "UnknownOperationException", ""},
		{"AWS CBOR, no target", "POST", "/", "", "", cborType, echo, 400, cborType, "UnknownOperationException", ""},
		{"AWS CBOR, an API that speaks JSON alone", "POST", "/", "J.Echo", "", cborType, echo, 415, cborType, "UnsupportedMediaTypeException", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, plain := everywhere(), everywhere()
			plain.Name, plain.Target, plain.CBOR, plain.RPC, plain.REST, plain.Namespace = "j", "J", false, "", false, ""
			f := newFixture(t, func(c *Config) { c.APIs = []*API{all, plain} })
			r := httptest.NewRequest(tt.method, "http://127.0.0.1"+tt.path, bytes.NewReader(tt.body))
			for name, value := range map[string]string{"X-Amz-Target": tt.target, "Smithy-Protocol": tt.protocol, "Content-Type": tt.media} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := f.do(r)
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.answer {
				t.Errorf("%d %s, want %d %s: %q", w.Code, w.Header().Get("Content-Type"), tt.status, tt.answer, w.Body)
			}
			if got := w.Header().Get("Smithy-Protocol"); got != tt.protocol {
				t.Errorf("Smithy-Protocol %q, want %q", got, tt.protocol)
			}
			var body struct {
				Type    string `cbor:"__type"`
				Message string `cbor:"message"`
				Body    string
			}
			if err := cbor.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%v in %x", err, w.Body.Bytes())
			}
			if body.Type != tt.code || body.Body != tt.bodyMember || (tt.code != "") != (body.Message != "") {
				t.Errorf("%+v", body)
			}
		})
	}
}
