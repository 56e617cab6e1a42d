//go:build browser

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// script calls the API as an SDK in a page does, with headers that a browser asks the
// server for beforehand, and tells its own site what came of it.
const script = `<!doctype html><script>
const ask = async (target, body) => {
  try {
    const r = await fetch(%q + "/", {method: "POST", body: JSON.stringify(body), headers: {
      "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + target,
      "X-Amz-Date": "20260101T000000Z", "Amz-Sdk-Invocation-Id": "1",
      "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00"}});
    return {status: r.status, id: r.headers.get("x-amzn-requestid") || "", body: await r.json()};
  } catch (e) { return {failed: String(e)}; }
};
(async () => {
  const made = await ask("CreateQueue", {QueueName: "made-by-" + %q});
  const missing = await ask("SendMessage", {QueueUrl: "none", MessageBody: "x"});
  await fetch("/result", {method: "POST", body: JSON.stringify({made, missing})});
})();
</script>`

type answer struct {
	Status int
	ID     string
	Body   map[string]string
	Failed string
}

type result struct{ Made, Missing answer }

// visit has a browser open a page of a site, whose script calls the API at endpoint,
// and gives what the script told.
func visit(t *testing.T, s *site, endpoint, name string) result {
	t.Helper()
	s.page = fmt.Sprintf(script, endpoint, name)
	path, err := exec.LookPath(os.Getenv("BROWSER"))
	if err != nil {
		t.Fatalf("no browser: scripts/browser.sh finds or installs one: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--remote-debugging-port=0", "--user-data-dir="+filepath.Join(t.TempDir(), "profile"), s.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait()
	}()
	select {
	case r := <-s.results:
		return r
	case <-ctx.Done():
		t.Fatal("the page told nothing")
		return result{}
	}
}

// site is a web site with one page.
type site struct {
	*httptest.Server
	page    string
	results chan result
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{results: make(chan result, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/result" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, s.page)
			return
		}
		var got result
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		s.results <- got
	}))
	t.Cleanup(s.Close)
	return s
}

// TestCORS: a page of a named site calls the API and reads its answers, errors and
// request ids; one of another site neither reads nor changes anything.
func TestCORS(t *testing.T) {
	ours, theirs := newSite(t), newSite(t)
	s := harness.Start(t, harness.Options{Args: []string{"--cors-origins", ours.URL}})

	got := visit(t, ours, s.URL(), "ours")
	if got.Made.Status != 200 || got.Made.ID == "" || !strings.HasSuffix(got.Made.Body["QueueUrl"], "/made-by-ours") {
		t.Errorf("a page of a named site: %+v", got.Made)
	}
	if got.Missing.Status != 400 || got.Missing.ID == "" || !strings.Contains(got.Missing.Body["__type"], "QueueDoesNotExist") {
		t.Errorf("an error, to a page of a named site: %+v", got.Missing)
	}

	got = visit(t, theirs, s.URL(), "theirs")
	if got.Made.Failed == "" || got.Missing.Failed == "" {
		t.Errorf("a page of another site: %+v", got)
	}
	out, err := harness.SQS(s.URL()).ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("made-by-")})
	if err != nil || len(out.QueueUrls) != 1 {
		t.Errorf("queues: %v, %v; only ours may have made one", out, err)
	}
}
