package access

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"
)

const (
	testKey     = "AKIAORDERS0000000001"
	testSecret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	testAccount = "123456789012"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func keyed(t testing.TB, creds ...Credential) *Access {
	t.Helper()
	creds = append(creds, Credential{Key: testKey, Secret: testSecret, Account: testAccount, User: "orders"})
	a, err := New(Config{Credentials: creds, Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func payload(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// sign signs r with the AWS SDK's signer.
func sign(t require, r *http.Request, body []byte, at time.Time) {
	err := v4.NewSigner().SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, payload(body), "sqs", "eu-west-1", at)
	if err != nil {
		t.Fatal(err)
	}
}

type require interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// wire is r as a server reads it.
func wire(t require, r *http.Request) *http.Request {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&b))
	if err != nil {
		t.Fatalf("%v in %q", err, b.String())
	}
	return got
}

func signedRequest(t require, method, target, body string) *http.Request {
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, target, rd)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAuthenticateSDKSigned(t *testing.T) {
	t.Parallel()
	a := keyed(t)
	for _, target := range []string{
		"http://127.0.0.1:4566/",
		"http://127.0.0.1:4566",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
		"http://host:80/123456789012/orders.fifo?Action=SendMessage&MessageBody=a%20b%2Bc&A=&A=2&A=1&B",
		"http://host/q%20ueue/%7Ename/%E4%BD%A0?x=%2F%3D~",
		"http://host/a+b(c)!*'",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			body := []byte(`{"QueueUrl":"x"}`)
			r := signedRequest(t, "POST", target, string(body))
			r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
			r.Header.Add("X-Amz-Meta", "  two   blanks ")
			r.Header.Add("X-Amz-Meta", "second")
			sign(t, r, body, testNow)
			p, scope, err := a.Authenticate(wire(t, r), body)
			if err != nil {
				t.Fatal(err)
			}
			if p.Account != testAccount || p.ARN != "arn:aws:iam::123456789012:user/orders" || p.Key != testKey {
				t.Errorf("principal %+v", p)
			}
			if scope != (Scope{Region: "eu-west-1", Service: "sqs", Date: "20260301"}) {
				t.Errorf("scope %+v", scope)
			}
		})
	}
}

// TestAuthenticateProperty signs random requests with the SDK, by header and by
// query; what was signed must pass and any change to it must not.
func TestAuthenticateProperty(t *testing.T) {
	t.Parallel()
	a := keyed(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äß你]{0,12}`)
		u := url.URL{Scheme: "http", Host: rapid.SampledFrom([]string{"127.0.0.1:4566", "sqs.local", "h:8080"}).Draw(t, "host")}
		u.Path = "/" + rapid.StringMatching(`([a-zA-Z0-9 ~%+&=*'()äß._-]{1,6}/?){0,3}`).Draw(t, "path")
		q := url.Values{}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			q.Add(text.Draw(t, "k")+"k", text.Draw(t, "v"))
		}
		u.RawQuery = q.Encode()
		body := []byte(rapid.StringMatching(`.{0,40}`).Draw(t, "body"))
		r := signedRequest(t, rapid.SampledFrom([]string{"POST", "GET", "PUT"}).Draw(t, "method"), u.String(), string(body))
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Header.Add("X-Custom-"+rapid.StringMatching(`[A-Za-z0-9]{1,4}`).Draw(t, "name"), strings.TrimSpace(rapid.StringMatching(`[!-~]{1,5}[ -~]{0,9}`).Draw(t, "value")))
		}
		if rapid.Bool().Draw(t, "presigned") {
			r.Header.Set("X-Amz-Date", "") // not signed by the presigner
			r.Header.Del("X-Amz-Date")
			qs := r.URL.Query()
			qs.Set("X-Amz-Expires", "60")
			r.URL.RawQuery = qs.Encode()
			target, headers, err := v4.NewSigner().PresignHTTP(context.Background(),
				aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, payload(body), "sqs", "eu-west-1", testNow)
			if err != nil {
				t.Fatal(err)
			}
			r = signedRequest(t, r.Method, target, string(body))
			for k, v := range headers {
				if k != "Host" && k != "Content-Length" {
					r.Header[http.CanonicalHeaderKey(k)] = v
				}
			}
		} else {
			sign(t, r, body, testNow)
		}
		got := wire(t, r)
		if _, _, err := a.Authenticate(got, body); err != nil {
			t.Fatalf("%s %s %v: %v", got.Method, got.RequestURI, got.Header, err)
		}
		switch rapid.IntRange(0, 4).Draw(t, "change") {
		case 0:
			got.Method += "X"
		case 1:
			body = append(body, 'x')
			if _, n := queryValue(got.URL.RawQuery, "X-Amz-Content-Sha256"); n > 0 {
				return
			}
		case 2:
			got.URL.Path += "x"
			got.URL.RawPath = ""
		case 3:
			got.Host += "x"
		case 4:
			got.URL.RawQuery += "&added=1"
		}
		if _, _, err := a.Authenticate(got, body); !errors.Is(err, ErrSignature) {
			t.Fatalf("changed request passed: %v", err)
		}
	})
}

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	body := []byte("{}")
	fresh := func(t *testing.T, at time.Time) *http.Request {
		r := signedRequest(t, "POST", "http://127.0.0.1:4566/", "{}")
		sign(t, r, body, at)
		return wire(t, r)
	}
	auth := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		}
	}
	for _, tt := range []struct {
		name   string
		at     time.Duration
		change func(*http.Request)
		want   *Error
		text   string
	}{
		{name: "as is"},
		{name: "14 minutes old", at: -14 * time.Minute},
		{name: "14 minutes early", at: 14 * time.Minute},
		{name: "too old", at: -16 * time.Minute, want: ErrSignature,
			text: "Signature expired: 20260301T114400Z is now earlier than 20260301T114500Z (20260301T120000Z - 15 min.)"},
		{name: "too early", at: 16 * time.Minute, want: ErrSignature,
			text: "Signature not yet current: 20260301T121600Z is still later than 20260301T121500Z (20260301T120000Z + 15 min.)"},
		{name: "unsigned", change: func(r *http.Request) { r.Header.Del("Authorization") }, want: ErrMissingToken},
		{name: "basic auth", change: func(r *http.Request) { r.SetBasicAuth("a", "b") }, want: ErrIncompleteSignature},
		{name: "empty header", change: func(r *http.Request) { r.Header.Set("Authorization", "") }, want: ErrIncompleteSignature},
		{name: "no signature", change: auth("Signature=", "Other="), want: ErrIncompleteSignature,
			text: "Authorization header requires 'Signature' parameter."},
		{name: "no credential", change: auth("Credential=", "C="), want: ErrIncompleteSignature},
		{name: "credential short", change: auth("/sqs", ""), want: ErrIncompleteSignature},
		{name: "two signatures", change: auth("Signature=", "Signature=0, Signature="), want: ErrIncompleteSignature},
		{name: "unknown key", change: auth(testKey, "AKIAUNKNOWN"), want: ErrInvalidToken},
		{name: "session token", change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, want: ErrInvalidToken},
		{name: "other region", change: auth("eu-west-1", "eu-west-2"), want: ErrSignature},
		{name: "no region", change: auth("eu-west-1", ""), want: ErrSignature},
		{name: "bad terminator", change: auth("aws4_request", "aws5_request"), want: ErrSignature},
		{name: "other day", change: auth("20260301", "20260302"), want: ErrSignature,
			text: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260302' != '20260301', from '20260301T120000Z'."},
		{name: "short signature", change: auth("Signature=", "Signature=0"), want: ErrSignature},
		{name: "host not signed", change: auth("host;", ""), want: ErrSignature},
		{name: "bad date", change: func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, want: ErrIncompleteSignature},
		{name: "no date", change: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: ErrIncompleteSignature},
		{name: "target not signed", change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSQS.DeleteQueue") }, want: ErrSignature},
		{name: "streaming", change: func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
		}, want: ErrIncompleteSignature},
		{name: "wrong payload hash", change: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", payload([]byte("x"))) }, want: ErrSignature},
		{name: "right payload hash", change: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", payload(body)) }},
		{name: "payload unsigned though it was", change: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, want: ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := fresh(t, testNow.Add(tt.at))
			if tt.change != nil {
				tt.change(r)
			}
			p, _, err := keyed(t).Authenticate(r, body)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want.Code)
			}
			if p.Account != "" || p.Anonymous != (tt.want == ErrMissingToken) {
				t.Errorf("principal %+v", p)
			}
			var e *Error
			if errors.As(err, &e); tt.text != "" && e.Message != tt.text {
				t.Errorf("message %q, want %q", e.Message, tt.text)
			}
		})
	}
}

func TestDateHeader(t *testing.T) {
	t.Parallel()
	// Signers without X-Amz-Date sign Date; the string to sign has it in ISO form.
	a := keyed(t)
	r := httptest.NewRequest("GET", "http://host/", nil)
	r.Header.Set("Date", testNow.Format(http.TimeFormat))
	s := signature{key: testKey, headers: "date;host", scope: Scope{"eu-west-1", "sqs", "20260301"},
		scopeText: "20260301/eu-west-1/sqs/aws4_request", whenText: "20260301T120000Z"}
	b := appendCanonical(nil, r, &s, []byte(emptyHash), false)
	sum := sha256.Sum256(b)
	key := signingKey(testSecret, s.scope)
	mac := hmacSum(key[:], []byte(algorithm+"\n"+s.whenText+"\n"+s.scopeText+"\n"+hex.EncodeToString(sum[:])))
	r.Header.Set("Authorization", algorithm+" Credential="+testKey+"/"+s.scopeText+",SignedHeaders=date;host,Signature="+hex.EncodeToString(mac[:]))
	if _, _, err := a.Authenticate(r, nil); err != nil {
		t.Fatal(err)
	}
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	presign := func(t *testing.T, expires int, at time.Time) *http.Request {
		q := "http://host:1/1/q?Action=ReceiveMessage"
		if expires != 0 {
			q += "&X-Amz-Expires=" + strconv.Itoa(expires)
		}
		r := signedRequest(t, "GET", q, "")
		target, _, err := v4.NewSigner().PresignHTTP(context.Background(),
			aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, emptyHash, "sqs", "eu-west-1", at)
		if err != nil {
			t.Fatal(err)
		}
		return wire(t, signedRequest(t, "GET", target, ""))
	}
	for _, tt := range []struct {
		name    string
		expires int
		at      time.Duration
		change  func(*http.Request)
		want    *Error
	}{
		{name: "fresh", expires: 60},
		{name: "an hour old, lives a day", expires: 86400, at: -time.Hour},
		{name: "over", expires: 60, at: -2 * time.Minute, want: ErrExpired},
		{name: "without expiry", at: -time.Minute},
		{name: "without expiry, old", at: -time.Hour, want: ErrSignature},
		{name: "expiry too long", expires: 604801, want: ErrIncompleteSignature},
		{name: "from the future", expires: 60, at: time.Hour, want: ErrSignature},
		{name: "longer than signed", expires: 60, change: func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Expires=60", "Expires=600", 1)
		}, want: ErrSignature},
		{name: "parameter twice", expires: 60, change: func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=60" }, want: ErrIncompleteSignature},
		{name: "parameter missing", expires: 60, change: func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-SignedHeaders=host", "X=1", 1)
		}, want: ErrIncompleteSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := presign(t, tt.expires, testNow.Add(tt.at))
			if tt.change != nil {
				tt.change(r)
			}
			_, _, err := keyed(t).Authenticate(r, nil)
			if tt.want == nil && err != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestNormalisedPath: botocore normalises the path before signing, aws-sdk-go does not.
func TestNormalisedPath(t *testing.T) {
	t.Parallel()
	a := keyed(t)
	for _, signedPath := range []string{"//a/./b/../c/", "/a/c/"} {
		r := signedRequest(t, "POST", "http://host"+signedPath, "")
		sign(t, r, nil, testNow)
		r.URL.Path = "//a/./b/../c/"
		if _, _, err := a.Authenticate(wire(t, r), nil); err != nil {
			t.Errorf("signed as %s: %v", signedPath, err)
		}
	}
	for in, want := range map[string]string{
		"/": "/", "//": "/", "/.": "/", "/..": "/", "/a/..": "/", "/a/.": "/a/", "/a//b": "/a/b", "/a/../../b/": "/b/",
	} {
		if got := normalPath(in); got != want {
			t.Errorf("normalPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOpenMode(t *testing.T) {
	t.Parallel()
	a := openAccess(t, Config{})
	if !a.Open() {
		t.Fatal("not open")
	}
	const header = algorithm + " Credential=%/20260301/ap-south-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
	for _, tt := range []struct{ name, auth, query, account, region string }{
		{"unsigned", "", "", DefaultAccount, DefaultRegion},
		{"any key", strings.Replace(header, "%", "test", 1), "", DefaultAccount, "ap-south-1"},
		{"key names account", strings.Replace(header, "%", "111122223333", 1), "", "111122223333", "ap-south-1"},
		{"presigned", "", "X-Amz-Credential=111122223333%2F20260301%2Feu-north-1%2Fsqs%2Faws4_request", "111122223333", "eu-north-1"},
		{"garbage", "Bearer x", "", DefaultAccount, DefaultRegion},
		{"garbage query", "", "X-Amz-Credential=%zz", DefaultAccount, DefaultRegion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "http://localhost:4566/?"+tt.query, nil)
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			r.Header.Set("X-Amz-Security-Token", "ignored")
			p, scope, err := a.Authenticate(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if p.Account != tt.account || p.ARN != "arn:aws:iam::"+tt.account+":root" || scope.Region != tt.region {
				t.Errorf("principal %+v, scope %+v", p, scope)
			}
		})
	}
}

func TestCheckService(t *testing.T) {
	t.Parallel()
	if err := (Scope{Service: "sqs"}).CheckService("sqs"); err != nil {
		t.Error(err)
	}
	err := Scope{Service: "sns"}.CheckService("sqs")
	if !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), "Credential should be scoped to correct service: 'sqs'.") {
		t.Error(err)
	}
}

func TestKeyCacheBound(t *testing.T) {
	t.Parallel()
	var c keyCache
	for i := range maxCachedKeys + 10 {
		c.put("k", Scope{Region: strconv.Itoa(i)}, [32]byte{1})
	}
	if n := len(c.keys); n > maxCachedKeys || n == 0 {
		t.Errorf("%d keys cached", n)
	}
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add(algorithm + " Credential=A/20260301/r/s/aws4_request, SignedHeaders=host;x, Signature=00")
	f.Add(algorithm + " ,,=,Credential=")
	f.Add("Basic x")
	f.Fuzz(func(t *testing.T, h string) {
		s, err := parseAuthorization(h)
		if err == nil && (s.key == "" || s.sum == "" || s.headers == "" || s.scope.Region == "") {
			t.Fatalf("accepted without a part: %+v", s)
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error %T", err)
		}
	})
}

func FuzzAuthenticate(f *testing.F) {
	f.Add("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20260301%2Fr%2Fs%2Faws4_request&X-Amz-Date=20260301T120000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "")
	f.Add("/%zz?%zz&+", algorithm+" Credential="+testKey+"/20260301/r/s/aws4_request, SignedHeaders=host;content-length;x, Signature="+emptyHash)
	a := keyed(f)
	f.Fuzz(func(t *testing.T, target, auth string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{Method: "GET", URL: u, Host: "h", Header: http.Header{"X-Amz-Date": {"20260301T120000Z"}}}
		if auth != "" {
			r.Header["Authorization"] = []string{auth}
		}
		if _, _, err := a.Authenticate(r, nil); err == nil {
			t.Fatal("a made-up signature passed")
		}
	})
}
