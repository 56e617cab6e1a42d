package conformance

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestRawQuery(t *testing.T) {
	t.Parallel()
	c := client(t)
	queueURL := queue(t, c, nil)
	path := strings.TrimPrefix(queueURL, endpoint(t))
	n := path[strings.LastIndex(path, "/")+1:]
	form := func(kv ...string) string {
		v := url.Values{"Version": {"2012-11-05"}}
		for i := 0; i < len(kv); i += 2 {
			v.Add(kv[i], kv[i+1])
		}
		return v.Encode()
	}
	body := "größe <&> \"quoted\"\r\n]]> 😀"
	for what, test := range map[string]struct{ raw, want string }{
		"POST /":         {formRequest("/", form("Action", "SendMessage", "QueueUrl", queueURL, "MessageBody", body)), "<MD5OfMessageBody>" + md5Hex(body)},
		"POST queue URL": {formRequest(path, form("Action", "SendMessage", "MessageBody", body)), "<MD5OfMessageBody>" + md5Hex(body)},
		"GET":            {request("GET", path+"?"+form("Action", "SendMessage", "MessageBody", "m"), "", ""), "<MD5OfMessageBody>" + md5Hex("m")},
		"GET /":          {request("GET", "/?"+form("Action", "GetQueueUrl", "QueueName", n), "", ""), path + "</QueueUrl>"},
		"attributes":     {formRequest(path, form("Action", "GetQueueAttributes", "AttributeName.1", "QueueArn", "AttributeName.2", "DelaySeconds")), "<Attribute><Name>"},
		"member lists":   {formRequest(path, form("Action", "GetQueueAttributes", "AttributeName", "QueueArn")), "<GetQueueAttributesResponse"},
		"charset":        {request("POST", path, "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n", form("Action", "SendMessage", "MessageBody", "m")), "<MessageId>"},
		"batch": {formRequest(path, form("Action", "SendMessageBatch", "SendMessageBatchRequestEntry.1.Id", "a", "SendMessageBatchRequestEntry.1.MessageBody", "m",
			"SendMessageBatchRequestEntry.2.Id", "b", "SendMessageBatchRequestEntry.2.MessageBody", "m",
			"SendMessageBatchRequestEntry.2.MessageAttribute.1.Name", "k", "SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType", "String",
			"SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue", "v")), "<SendMessageBatchResultEntry>"},
		"gap in a list": {formRequest(path, form("Action", "GetQueueAttributes", "AttributeName.3", "QueueArn", "AttributeName.9", "DelaySeconds")), "<GetQueueAttributesResponse"},
	} {
		t.Run(what, func(t *testing.T) {
			k := dial(t)
			k.write(test.raw)
			resp, got := k.answer()
			if resp.StatusCode != http.StatusOK || !strings.Contains(got, test.want) || !strings.Contains(got, "http://queue.amazonaws.com/doc/2012-11-05/") || !strings.Contains(got, "<RequestId>") {
				t.Errorf("answer = %d %s, want %s", resp.StatusCode, got, test.want)
			}
			if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/xml") {
				t.Errorf("Content-Type = %q", ct)
			}
			k.usable(resp)
		})
	}
	// What was sent by Query is received the same by JSON.
	seen := false
	for range 3 {
		for _, m := range receive(t, c, queueURL, upTo(10)) {
			seen = seen || *m.Body == body
		}
	}
	if !seen {
		t.Errorf("no message with the body %q", body)
	}
}

func TestRawQueryRefused(t *testing.T) {
	t.Parallel()
	queueURL := queue(t, client(t), nil)
	path := strings.TrimPrefix(queueURL, endpoint(t))
	const v = "&Version=2012-11-05"
	send := "Action=SendMessage&MessageBody=m" + v
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "&MessageAttribute.%d.Name=n%d&MessageAttribute.%d.Value.DataType=String&MessageAttribute.%d.Value.StringValue=v", i+1, i, i+1, i+1)
	}
	for what, test := range map[string]struct {
		raw   string
		codes []string
	}{
		"unknown action":    {formRequest("/", "Action=Explode"+v), []string{"InvalidAction"}},
		"no action":         {formRequest("/", "Version=2012-11-05"), []string{"MissingAction", "InvalidAction"}},
		"empty":             {formRequest("/", ""), nil},
		"bad percent":       {formRequest(path, "Action=SendMessage&MessageBody=%zz"+v), nil},
		"cut percent":       {formRequest(path, "Action=SendMessage&MessageBody=%4"+v), nil},
		"semicolons":        {formRequest(path, "Action=SendMessage;MessageBody=x"), nil},
		"not UTF-8":         {formRequest(path, "Action=SendMessage&MessageBody=%ff%fe"+v), []string{codeBadContents, codeBadValue, "MalformedQueryString"}},
		"text for number":   {formRequest(path, send+"&DelaySeconds=five"), []string{codeBadValue, "MalformedInput", "MalformedQueryString"}},
		"huge number":       {formRequest(path, send+"&DelaySeconds=99999999999999999999"), []string{codeBadValue, "MalformedInput", "MalformedQueryString"}},
		"huge index":        {formRequest(path, send+"&MessageAttribute.999999999.Name=a&MessageAttribute.999999999.Value.DataType=Nonsense"), nil},
		"huger index":       {formRequest(path, send+"&MessageAttribute.18446744073709551617.Name=a"), nil},
		"negative index":    {formRequest(path, send+"&MessageAttribute.-1.Name=a&MessageAttribute.-1.Value.DataType=Nonsense"), nil},
		"many attributes":   {formRequest(path, send+many.String()), nil},
		"deep name":         {formRequest(path, "Action=SendMessage&MessageBody."+strings.Repeat("1.", 100_000)+"=x"), nil},
		"absent queue":      {formRequest("/"+account+"/absent", send), []string{codeNoQueue}},
		"hostile path":      {formRequest("/"+account+"/../../etc/passwd", send), nil},
		"encoded path":      {formRequest("/"+account+"/%2e%2e%2f%00", send), nil},
		"multipart":         {request("POST", path, "Content-Type: multipart/form-data; boundary=x\r\n", "--x\r\n\r\n"), nil},
		"XML":               {request("POST", path, "Content-Type: text/xml\r\n", "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>"), nil},
		"PUT":               {request("PUT", path, "", ""), nil},
		"DELETE":            {request("DELETE", path, "", ""), nil},
		"JSON without name": {request("POST", "/", "Content-Type: application/x-amz-json-1.0\r\n", "{}"), nil},
		"other service":     {request("POST", "/", "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n", "{}"), nil},
	} {
		t.Run(what, func(t *testing.T) {
			k := dial(t)
			start := time.Now()
			k.write(test.raw)
			resp, body := k.answer()
			wantRefusal(t, resp, body, test.codes...)
			if took := time.Since(start); took > atOnce {
				t.Errorf("took %v", took)
			}
			k.usable(resp)
		})
	}
	wantCounts(t, client(t), queueURL, "0", "0", "0")
}

// A queue's URL opened without an action, as in a browser: the real service answers
// in no protocol.
func TestRawQueryWithoutAction(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/" + account + "/absent", "/" + account + "/absent/more"} {
		k := dial(t)
		k.write(request("GET", path, "", ""))
		resp, body := k.answer()
		if resp.StatusCode != http.StatusNotFound || body != "<UnknownOperationException/>\n" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
		k.usable(resp)
	}
}

// Requests that are broken below the API: the server answers or closes, and
// stays.
func TestRawHTTP(t *testing.T) {
	t.Parallel()
	head := "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
	for what, raw := range map[string]string{
		"not HTTP":         "hello\r\n\r\n",
		"TLS":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"bad version":      "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
		"no host":          "GET /?Action=ListQueues HTTP/1.1\r\n\r\n",
		"two hosts":        "GET /?Action=ListQueues HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"bad header":       "GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
		"huge header":      "GET / HTTP/1.1\r\nHost: localhost\r\nX-Big: " + strings.Repeat("x", 3<<20) + "\r\n\r\n",
		"huge target":      "GET /" + strings.Repeat("a", 3<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"bad chunk":        head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"negative chunk":   head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
		"two lengths":      head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
		"negative length":  head + "Content-Length: -1\r\n\r\n{}",
		"length and chunk": head + "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n{}xxx",
		"announced huge":   head + "Content-Length: 999999999999\r\n\r\n{}",
	} {
		t.Run(what, func(t *testing.T) {
			k := dial(t)
			k.write(raw)
			resp, err := http.ReadResponse(k.r, nil)
			if err == nil {
				if resp.StatusCode < 400 || resp.StatusCode > 505 || resp.StatusCode == 500 {
					t.Errorf("answer = %s", resp.Status)
				}
				resp.Body.Close()
			}
			k.usable(nil)
		})
	}
}

// A body over the limit is refused without being read to its end.
func TestRawOversized(t *testing.T) {
	t.Parallel()
	head := "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
	piece := strings.Repeat("x", 1<<20)
	for what, start := range map[string]string{
		"length":  head + "Content-Length: 1073741824\r\n\r\n",
		"chunked": head + "Transfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			k := dial(t)
			answered := make(chan string, 1)
			go func() {
				resp, err := http.ReadResponse(k.r, nil)
				if err != nil {
					answered <- err.Error()
					return
				}
				answered <- resp.Status
			}()
			_, err := io.WriteString(k, start)
			sent := 0
			for ; err == nil && sent < 64; sent++ {
				if what == "chunked" {
					_, err = fmt.Fprintf(k, "%x\r\n%s\r\n", len(piece), piece)
				} else {
					_, err = io.WriteString(k, piece)
				}
			}
			if sent == 64 {
				t.Error("the server read 64 MiB of one request")
			}
			if a := <-answered; !strings.HasPrefix(a, "4") && !strings.Contains(a, "reset") && !strings.Contains(a, "EOF") {
				t.Errorf("answer = %s", a)
			}
			k.usable(nil)
		})
	}
}

// Clients that vanish in the middle of a request leave nothing behind.
func TestRawTruncated(t *testing.T) {
	t.Parallel()
	url := queue(t, client(t), nil)
	whole := jsonRequest("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":%q}`, url, strings.Repeat("b", 4000)))
	for _, cut := range []int{1, 10, 60, len(whole) / 2, len(whole) - 1} {
		k := dial(t)
		k.write(whole[:cut])
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		k.usable(nil)
	}
	wantCounts(t, client(t), url, "0", "0", "0")
}

// Requests on one connection are answered in order, also when the client does
// not wait for answers.
func TestRawPipelined(t *testing.T) {
	t.Parallel()
	url := queue(t, client(t), nil)
	k := dial(t)
	var all strings.Builder
	for i := range 20 {
		all.WriteString(jsonRequest("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m%d"}`, url, i)))
	}
	k.write(all.String())
	for i := range 20 {
		if resp, body := k.answer(); resp.StatusCode != http.StatusOK || !strings.Contains(body, md5Hex(fmt.Sprint("m", i))) {
			t.Fatalf("answer %d = %d %s", i, resp.StatusCode, body)
		}
	}
	wantCounts(t, client(t), url, "20", "0", "0")
}
