package conformance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// conn is one connection to the shared server for requests written by hand.
type conn struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T) *conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(endpoint(t), "http://"), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &conn{t: t, Conn: c, r: bufio.NewReader(c)}
}

func (c *conn) write(s string) {
	c.t.Helper()
	// The server may refuse and close before it has read everything.
	_, _ = io.WriteString(c, s)
}

// answer reads one answer whole.
func (c *conn) answer() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("answer cut short: %v", err)
	}
	return resp, string(body)
}

// usable checks that the connection takes another request, unless the server
// said that it closes it, and that the server answers on a new one.
func (c *conn) usable(resp *http.Response) {
	c.t.Helper()
	next := c
	if resp == nil || resp.Close {
		next = dial(c.t)
	}
	next.write(request("POST", "/", "X-Amz-Target: AmazonSQS.ListQueues\r\nContent-Type: application/x-amz-json-1.0\r\n", `{"MaxResults":1}`))
	if r, body := next.answer(); r.StatusCode != http.StatusOK {
		c.t.Errorf("the next request got %d %s", r.StatusCode, body)
	}
}

func request(method, target, headers, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", method, target, headers, len(body), body)
}

func jsonRequest(op, body string) string {
	return request("POST", "/", "X-Amz-Target: AmazonSQS."+op+"\r\nContent-Type: application/x-amz-json-1.0\r\n", body)
}

func formRequest(target, body string) string {
	return request("POST", target, "Content-Type: application/x-www-form-urlencoded\r\n", body)
}

// wantRefusal checks for an answer of the 400s with an error in the protocol's
// own form.
func wantRefusal(t *testing.T, resp *http.Response, body string, codes ...string) {
	t.Helper()
	if resp.StatusCode < 400 || resp.StatusCode > 499 {
		t.Fatalf("answer = %d %.300s, want 4xx", resp.StatusCode, body)
	}
	if resp.Header.Get("x-amzn-RequestId") == "" && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-amz-json") {
		t.Error("no x-amzn-RequestId")
	}
	code := ""
	switch ct := resp.Header.Get("Content-Type"); {
	case strings.HasPrefix(ct, "application/x-amz-json"):
		var e struct {
			Type    string `json:"__type"`
			Message *string
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || e.Type == "" {
			t.Errorf("not an error of the JSON protocol: %.300s", body)
		}
		code = e.Type[strings.LastIndex(e.Type, "#")+1:]
	case strings.Contains(ct, "xml"):
		code = parseQueryError(t, body).Error.Code
	}
	for _, leak := range []string{"panic", "goroutine", "internal/", ".go:", "json:"} {
		if strings.Contains(body, leak) {
			t.Errorf("the answer shows internals: %.300s", body)
		}
	}
	if len(codes) == 0 {
		return
	}
	for _, want := range codes {
		if strings.TrimSuffix(code, "Exception") == strings.TrimSuffix(want, "Exception") {
			return
		}
	}
	t.Errorf("code = %q, want one of %v", code, codes)
}

func TestRawJSON(t *testing.T) {
	t.Parallel()
	url := queue(t, client(t), nil)
	q := fmt.Sprintf("%q", url)
	const bad = "SerializationException"
	for what, test := range map[string]struct {
		op, body string
		codes    []string
	}{
		"not JSON":           {"SendMessage", "hello", []string{bad}},
		"cut short":          {"SendMessage", `{"QueueUrl":` + q, []string{bad}},
		"an array":           {"SendMessage", `[]`, []string{bad}},
		"a string":           {"SendMessage", `"x"`, []string{bad}},
		"trailing garbage":   {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x"} x`, []string{bad}},
		"number for text":    {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":5}`, []string{bad}},
		"text for number":    {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x","DelaySeconds":"five"}`, []string{bad}},
		"fraction":           {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x","DelaySeconds":1.5}`, []string{bad}},
		"huge number":        {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x","DelaySeconds":99999999999999999999}`, []string{bad, codeBadValue}},
		"exponent":           {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x","DelaySeconds":1e999}`, []string{bad, codeBadValue}},
		"list for map":       {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x","MessageAttributes":[]}`, []string{bad}},
		"bad base64":         {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"x","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"*"}}}`, []string{bad, codeBadValue}},
		"control character":  {"SendMessage", `{"QueueUrl":` + q + ",\"MessageBody\":\"a\x01b\"}", []string{bad, codeBadContents}},
		"not UTF-8":          {"SendMessage", `{"QueueUrl":` + q + ",\"MessageBody\":\"\xff\xfe\"}", []string{bad, codeBadContents}},
		"lone surrogate":     {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"\ud800"}`, []string{bad, codeBadContents}},
		"bad escape":         {"SendMessage", `{"QueueUrl":` + q + `,"MessageBody":"\x"}`, []string{bad}},
		"deep":               {"SendMessage", `{"QueueUrl":` + strings.Repeat("[", 100_000), []string{bad}},
		"deep and unknown":   {"SendMessage", `{"Unknown":` + strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000) + `}`, nil},
		"empty":              {"SendMessage", "", nil},
		"null":               {"SendMessage", "null", nil},
		"nothing given":      {"CreateQueue", "{}", []string{codeMissing, codeBadValue, "ValidationException"}},
		"null name":          {"CreateQueue", `{"QueueName":null}`, []string{codeMissing, codeBadValue, "ValidationException"}},
		"unknown operation":  {"Explode", "{}", []string{"UnknownOperation", "InvalidAction"}},
		"hostile operation":  {"../../SendMessage", "{}", []string{"UnknownOperation", "InvalidAction"}},
		"no operation":       {"", "{}", []string{"UnknownOperation", "InvalidAction", "MissingAction"}},
		"null entries":       {"SendMessageBatch", `{"QueueUrl":` + q + `,"Entries":[null]}`, nil},
		"two million spaces": {"ListQueues", strings.Repeat(" ", 2_000_000) + "x", nil},
	} {
		t.Run(what, func(t *testing.T) {
			c := dial(t)
			c.write(jsonRequest(test.op, test.body))
			resp, body := c.answer()
			wantRefusal(t, resp, body, test.codes...)
			c.usable(resp)
		})
	}
	wantCounts(t, client(t), url, "0", "0", "0")
}

func TestRawJSONAccepted(t *testing.T) {
	t.Parallel()
	url := queue(t, client(t), nil)
	path := strings.TrimPrefix(url, endpoint(t))
	for what, raw := range map[string]string{
		"unknown members":  jsonRequest("SendMessage", fmt.Sprintf(`{"Later":{"x":[1,{}]},"QueueUrl":%q,"MessageBody":"m"}`, url)),
		"null members":     jsonRequest("SendMessage", fmt.Sprintf(`{"DelaySeconds":null,"MessageAttributes":null,"QueueUrl":%q,"MessageBody":"m"}`, url)),
		"escapes":          jsonRequest("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"\u006d"}`, url)),
		"white space":      jsonRequest("SendMessage", fmt.Sprintf("\r\n\t {\n\"QueueUrl\" : %q ,\n\"MessageBody\":\"m\"}\n", url)),
		"JSON 1.1":         request("POST", "/", "X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.1\r\n", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m"}`, url)),
		"charset":          request("POST", "/", "X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.0; charset=utf-8\r\n", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m"}`, url)),
		"on the queue URL": request("POST", path, "X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.0\r\n", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m"}`, url)),
		"chunked": "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.0\r\nTransfer-Encoding: chunked\r\n\r\n" +
			chunks(fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m"}`, url), 7),
		"expect continue": strings.Replace(jsonRequest("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m"}`, url)), "Host:", "Expect: 100-continue\r\nHost:", 1),
	} {
		t.Run(what, func(t *testing.T) {
			c := dial(t)
			c.write(raw)
			resp, body := c.answer()
			if resp.StatusCode == http.StatusContinue {
				resp, body = c.answer()
			}
			var out struct{ MessageId, MD5OfMessageBody string }
			if err := json.Unmarshal([]byte(body), &out); resp.StatusCode != http.StatusOK || err != nil || out.MD5OfMessageBody != md5Hex("m") {
				t.Errorf("answer = %d %s", resp.StatusCode, body)
			}
			if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/x-amz-json-1.") {
				t.Errorf("Content-Type = %q", ct)
			}
			if resp.Header.Get("x-amzn-RequestId") == "" || resp.ContentLength < 0 {
				t.Errorf("headers = %v, want a request id and a length", resp.Header)
			}
			c.usable(resp)
		})
	}
}

// JSON errors carry the Query code in a header, for SDKs that know only that.
func TestRawQueryErrorHeader(t *testing.T) {
	t.Parallel()
	c := dial(t)
	c.write(jsonRequest("GetQueueUrl", `{"QueueName":"absent"}`))
	resp, body := c.answer()
	wantRefusal(t, resp, body, "QueueDoesNotExist")
	if got, want := resp.Header.Get("x-amzn-query-error"), codeNoQueue+";Sender"; got != want || resp.StatusCode != 400 {
		t.Errorf("%d, x-amzn-query-error = %q, want %q", resp.StatusCode, got, want)
	}
	if !strings.Contains(body, `"com.amazonaws.sqs#QueueDoesNotExist"`) {
		t.Errorf("body = %s", body)
	}
}

func chunks(s string, size int) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(size, len(s))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, s[:n])
		s = s[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}
