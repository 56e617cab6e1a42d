package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

func TestBanner(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	for _, want := range []string{s.URL(), s.Data()} {
		eventually(t, 20*time.Second, "the banner names "+want, func() bool { return strings.Contains(s.Output(), want) })
	}
}

// Port 0 takes a free one, which the banner tells.
func TestListenOnPortZero(t *testing.T) {
	t.Parallel()
	s, err := harness.Spawn(harness.Options{Addr: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	found := regexp.MustCompile(`http://127\.0\.0\.1:(\d+)`)
	url := ""
	eventually(t, 20*time.Second, "the banner names a URL with a port", func() bool {
		m := found.FindStringSubmatch(s.Output())
		if m == nil || m[1] == "0" {
			return false
		}
		url = m[0]
		return true
	})
	eventually(t, 20*time.Second, "it answers there", func() bool {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys.yaml")
	if err := os.WriteFile(keys, []byte("keys:\n  - {key: a, secert: b}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("listne: 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for what, test := range map[string]struct {
		args []string
		says string
	}{
		"public without keys": {[]string{"serve", "--listen", "0.0.0.0:0", "--data", data}, "keys"},
		"unknown flag":        {[]string{"serve", "--frobnicate"}, "frobnicate"},
		"unknown config key":  {[]string{"serve", "--config", config, "--data", data}, "listne"},
		"bad keys file":       {[]string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--keys", keys}, "secert"},
		"no keys file":        {[]string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--keys", keys + "x"}, "keys.yamlx"},
		"bad account":         {[]string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--account", "me"}, "account"},
		"unknown command":     {[]string{"frobnicate"}, "frobnicate"},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			out, code, err := harness.Run(ctx, test.args...)
			if err != nil || code == 0 || !strings.Contains(out, test.says) {
				t.Errorf("exit code %d, %v, output:\n%s\nwant a refusal that names %q", code, err, out, test.says)
			}
		})
	}
}

func TestSecondServerOnTheSameFolder(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, code, err := harness.Run(ctx, "serve", "--listen", "127.0.0.1:0", "--data", s.Data())
	if err != nil || code == 0 || !strings.Contains(out, fmt.Sprint(s.Pid())) {
		t.Errorf("exit code %d, %v, output:\n%s\nwant a refusal that names process %d", code, err, out, s.Pid())
	}
	c := harness.SQS(s.URL())
	send(t, c, queue(t, c, nil), "the first goes on")
}

// SIGTERM: a long poll in flight is answered, then the server exits 0; what
// was acknowledged is there afterwards.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	c := harness.SQS(s.URL())
	url, idle := queue(t, c, attrs{"VisibilityTimeout": "3600"}), queue(t, c, nil)
	for i := range 3 {
		send(t, c, url, fmt.Sprint(i))
	}
	held := one(t, c, url)
	polled := make(chan error, 1)
	written := make(chan struct{})
	go func() {
		req, err := http.NewRequest(http.MethodPost, s.URL()+"/", strings.NewReader(fmt.Sprintf(`{"QueueUrl":%q,"WaitTimeSeconds":20}`, idle)))
		if err != nil {
			polled <- err
			close(written)
			return
		}
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
		req.Body = &announced{ReadCloser: req.Body, done: written}
		resp, err := harness.HTTP().Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
				err = fmt.Errorf("answer %s", resp.Status)
			}
		}
		polled <- err
	}()
	<-written
	none(t, c, url, upTo(1), wait(1), func(in *sqs.ReceiveMessageInput) { in.QueueUrl = &idle }) // the poll has arrived by now
	start := time.Now()
	code, err := s.Stop(30 * time.Second)
	if err != nil || code != 0 {
		t.Fatalf("exit code %d, %v; want 0", code, err)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("stopping took %v; a waiting poll should not hold it up", took)
	}
	if err := <-polled; err != nil {
		t.Errorf("the poll in flight got no answer: %v", err)
	}
	if err := s.Again(); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, url, "2", "1", "0")
	remove(t, c, url, held) // the receipt handle outlives the process
	wantCounts(t, c, url, "2", "0", "0")
}

// announced closes done once the body has been read to its end.
type announced struct {
	io.ReadCloser
	done   chan struct{}
	closed bool
}

func (a *announced) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && !a.closed {
		a.closed = true
		close(a.done)
	}
	return n, err
}

func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	c := harness.SQS(s.URL())
	url := queue(t, c, nil)
	send(t, c, url, "m")
	for path, want := range map[string]string{"/healthz": "", "/readyz": "", "/metrics": "SendMessage"} {
		status, body := get(t, s.URL()+path)
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s = %d %.200s", path, status, body)
		}
	}
	n := url[strings.LastIndex(url, "/")+1:]
	if _, body := get(t, s.URL()+"/metrics"); !strings.Contains(body, n) {
		t.Errorf("/metrics does not name the queue %s", n)
	}
}
