package access

import (
	"bytes"
	"net/http"
	"testing"
)

func benchRequest(t testing.TB) (*http.Request, []byte) {
	body := bytes.Repeat([]byte("x"), 1100)
	r := signedRequest(t, "POST", "http://127.0.0.1:4566/", string(body))
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("Amz-Sdk-Invocation-Id", "11f9e3f6-7a26-4c1e-9d36-34da36b05c1d")
	r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
	sign(t, r, body, testNow)
	return wire(t, r), body
}

func BenchmarkAuthenticate(b *testing.B) {
	a := keyed(b)
	r, body := benchRequest(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := a.Authenticate(r, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthorize(b *testing.B) {
	a := keyed(b)
	p := a.dir.Load().keys[testKey].principal
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: testAccount}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	p := mustParse(b, `{"Statement":[{"Effect":"Allow","Action":["sqs:Get*","sqs:*Message"],"Resource":"arn:aws:sqs:*:222222222222:ord*"}]}`, Identity)
	b.ReportAllocs()
	for b.Loop() {
		p.Evaluate(Request{Principal: caller(alice), Action: "sqs:SendMessage", Resource: queue})
	}
}

func TestAllocations(t *testing.T) {
	a := keyed(t)
	p := a.dir.Load().keys[testKey].principal
	if n := testing.AllocsPerRun(100, func() {
		_ = a.Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: testAccount})
	}); n != 0 {
		t.Errorf("Authorize allocates %v times", n)
	}
	r, body := benchRequest(t)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = a.Authenticate(r, body) }); n > 1 {
		t.Errorf("Authenticate allocates %v times", n)
	}
}
