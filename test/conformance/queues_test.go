package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

func TestQueueLifecycle(t *testing.T) {
	t.Parallel()
	c, n := client(t), name(t, "")
	created, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n, Tags: map[string]string{"team": "orders"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := endpoint(t) + "/" + account + "/" + n; *created.QueueUrl != want {
		t.Errorf("QueueUrl = %s, want %s", *created.QueueUrl, want)
	}
	again, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n})
	if err != nil || *again.QueueUrl != *created.QueueUrl {
		t.Fatalf("creating it again = %v, %v; want the same URL", again, err)
	}
	got, err := c.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n})
	if err != nil || *got.QueueUrl != *created.QueueUrl {
		t.Fatalf("GetQueueUrl = %v, %v; want %s", got, err, *created.QueueUrl)
	}
	got, err = c.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n, QueueOwnerAWSAccountId: aws.String(account)})
	if err != nil || *got.QueueUrl != *created.QueueUrl {
		t.Fatalf("GetQueueUrl with the owner = %v, %v; want %s", got, err, *created.QueueUrl)
	}
	tags, err := c.ListQueueTags(bound(t), &sqs.ListQueueTagsInput{QueueUrl: created.QueueUrl})
	if err != nil || tags.Tags["team"] != "orders" {
		t.Fatalf("tags = %v, %v; want those given at creation", tags, err)
	}
	if _, err := c.DeleteQueue(bound(t), &sqs.DeleteQueueInput{QueueUrl: created.QueueUrl}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n})
	wantError[*types.QueueDoesNotExist](t, err, codeNoQueue)
	_, err = c.SendMessage(bound(t), &sqs.SendMessageInput{QueueUrl: created.QueueUrl, MessageBody: aws.String("x")})
	wantError[*types.QueueDoesNotExist](t, err, codeNoQueue)
}

func TestCreateQueueConflict(t *testing.T) {
	t.Parallel()
	c, n := client(t), name(t, "")
	create := func(a attrs) (*sqs.CreateQueueOutput, error) {
		return c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n, Attributes: a})
	}
	first, err := create(attrs{"VisibilityTimeout": "45", "DelaySeconds": "3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []attrs{nil, {"VisibilityTimeout": "45"}, {"DelaySeconds": "3", "VisibilityTimeout": "45"}} {
		if again, err := create(a); err != nil || *again.QueueUrl != *first.QueueUrl {
			t.Errorf("creating again with %v = %v, %v; want the same URL", a, again, err)
		}
	}
	for _, a := range []attrs{{"VisibilityTimeout": "46"}, {"DelaySeconds": "3", "VisibilityTimeout": "1"}, {"MessageRetentionPeriod": "60"}} {
		_, err := create(a)
		wantError[*types.QueueNameExists](t, err, codeNameExists)
	}
	got := attributes(t, c, *first.QueueUrl, "All")
	if got["VisibilityTimeout"] != "45" || got["DelaySeconds"] != "3" {
		t.Errorf("attributes = %v, want those of the first creation", got)
	}
}

func TestQueueNames(t *testing.T) {
	t.Parallel()
	c := client(t)
	long := strings.Repeat("x", 60)
	for _, good := range []string{"a", "A-b_9", strings.Repeat("n", 80)} {
		region := harness.In("eu-north-1")
		if _, err := client(t, region).CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &good}); err != nil {
			t.Errorf("name %q: %v", good, err)
		}
	}
	bad := map[string]attrs{
		strings.Repeat("n", 81):                  nil,
		"a b":                                    nil,
		"a/b":                                    nil,
		"a.b":                                    nil,
		"..":                                     nil,
		"../../etc/passwd":                       nil,
		"a*":                                     nil,
		"a>":                                     nil,
		"größe":                                  nil,
		"😀":                                      nil,
		"a\x00b":                                 nil,
		"plain.fifo":                             nil,
		"standard":                               {"FifoQueue": "true"},
		".fifo":                                  {"FifoQueue": "true"},
		"a.b.fifo":                               {"FifoQueue": "true"},
		long + strings.Repeat("x", 16) + ".fifo": {"FifoQueue": "true"},
	}
	for n, a := range bad {
		_, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n, Attributes: a})
		t.Run(fmt.Sprintf("%.20q", n), func(t *testing.T) { wantCode(t, err, codeBadValue) })
	}
	_, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: aws.String("")})
	wantCode(t, err, codeBadValue, codeMissing)
}

func TestListQueues(t *testing.T) {
	t.Parallel()
	c := client(t, harness.In("sa-east-1")) // a region of its own
	var want []string
	for i := range 25 {
		n := fmt.Sprintf("page-%02d", i)
		out, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, *out.QueueUrl)
	}
	other := "other"
	if _, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &other}); err != nil {
		t.Fatal(err)
	}
	list := func(in sqs.ListQueuesInput) (urls []string, pages int) {
		t.Helper()
		p := sqs.NewListQueuesPaginator(c, &in)
		for p.HasMorePages() {
			out, err := p.NextPage(bound(t))
			if err != nil {
				t.Fatal(err)
			}
			if in.MaxResults != nil && len(out.QueueUrls) > int(*in.MaxResults) {
				t.Errorf("a page of %d, want at most %d", len(out.QueueUrls), *in.MaxResults)
			}
			urls, pages = append(urls, out.QueueUrls...), pages+1
		}
		slices.Sort(urls)
		return urls, pages
	}
	got, pages := list(sqs.ListQueuesInput{QueueNamePrefix: aws.String("page-"), MaxResults: aws.Int32(10)})
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("pages of ten: %d queues in %d pages, want 25 in 3", len(got), pages)
	}
	if got, _ := list(sqs.ListQueuesInput{QueueNamePrefix: aws.String("page-1")}); !slices.Equal(got, want[10:20]) {
		t.Errorf("prefix page-1: %q", got)
	}
	if got, _ := list(sqs.ListQueuesInput{QueueNamePrefix: aws.String("PAGE")}); len(got) != 0 {
		t.Errorf("prefixes are case-sensitive, got %q", got)
	}
	if got, _ := list(sqs.ListQueuesInput{}); len(got) != 26 {
		t.Errorf("all: %d queues, want 26", len(got))
	}
	for _, n := range []int32{-1, 1001} {
		_, err := c.ListQueues(bound(t), &sqs.ListQueuesInput{MaxResults: aws.Int32(n)})
		wantCode(t, err, codeBadValue)
	}
	_, err := c.ListQueues(bound(t), &sqs.ListQueuesInput{MaxResults: aws.Int32(5), NextToken: aws.String("no such token")})
	wantCode(t, err, codeBadValue, "InvalidNextToken")
}

func TestAccountsAndRegionsAreApart(t *testing.T) {
	t.Parallel()
	n := name(t, "")
	seen := map[string]bool{}
	for _, who := range []struct{ key, account, region string }{
		{"test", account, "us-east-1"}, {"test", account, "eu-west-1"},
		{"111122223333", "111122223333", "us-east-1"}, {"444455556666", "444455556666", "us-east-1"},
	} {
		c := client(t, harness.As(who.key, "any"), harness.In(who.region))
		_, err := c.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n})
		wantError[*types.QueueDoesNotExist](t, err, codeNoQueue)
		out, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &n, Attributes: attrs{"DelaySeconds": fmt.Sprint(len(seen))}})
		if err != nil {
			t.Fatal(err)
		}
		a := arn(t, c, *out.QueueUrl)
		if want := "arn:aws:sqs:" + who.region + ":" + who.account + ":" + n; a != want {
			t.Errorf("QueueArn = %s, want %s", a, want)
		}
		if !strings.HasSuffix(*out.QueueUrl, "/"+who.account+"/"+n) {
			t.Errorf("QueueUrl = %s, want the account in it", *out.QueueUrl)
		}
		seen[a] = true
		send(t, c, *out.QueueUrl, a, delay(0))
	}
	if len(seen) != 4 {
		t.Errorf("%d different queues, want 4", len(seen))
	}
}

// Queue URLs are names: any host will do, the path counts.
func TestQueueURLsOfOtherHosts(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	path := strings.TrimPrefix(url, endpoint(t))
	for _, host := range []string{"https://sqs.us-east-1.amazonaws.com", "http://localhost:4566", "http://queue.example:1", "https://[::1]:9324"} {
		send(t, c, host+path, host)
		if m := one(t, c, host+path); *m.Body != host {
			t.Errorf("received %q, want %q", *m.Body, host)
		}
	}
	for _, bad := range []string{"nonsense", "http://", "http://h/x/y/z/w", "http://h/" + account + "/", "http://h/../" + path, "not a name"} {
		_, err := c.SendMessage(bound(t), &sqs.SendMessageInput{QueueUrl: &bad, MessageBody: aws.String("x")})
		wantError[*types.QueueDoesNotExist](t, err, codeNoQueue, "AWS.SimpleQueueService.NonExistentQueue")
	}
}

// A bare name is the caller's queue of that name.
func TestQueueURLIsABareName(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	bare := url[strings.LastIndex(url, "/")+1:]
	send(t, c, bare, "m")
	remove(t, c, bare, one(t, c, url))
	wantCounts(t, c, bare, "0", "0", "0")
	if _, err := c.DeleteQueue(bound(t), &sqs.DeleteQueueInput{QueueUrl: &bare}); err != nil {
		t.Fatal(err)
	}
}

// The URL that the server hands out has the host that the client called.
func TestQueueURLHasTheRequestsHost(t *testing.T) {
	t.Parallel()
	url := queue(t, client(t), nil)
	n := url[strings.LastIndex(url, "/")+1:]
	host := otherHost + ":8443"
	c := harness.SQS(endpoint(t), func(o *sqs.Options) { o.HTTPClient = hostSetter{host, harness.HTTP()} })
	out, err := c.GetQueueUrl(bound(t), &sqs.GetQueueUrlInput{QueueName: &n})
	if err != nil {
		t.Fatal(err)
	}
	if want := "http://" + host + "/" + account + "/" + n; *out.QueueUrl != want {
		t.Errorf("QueueUrl = %s, want %s", *out.QueueUrl, want)
	}
}

// hostSetter sends every request with another Host header.
type hostSetter struct {
	host string
	next *http.Client
}

func (h hostSetter) Do(r *http.Request) (*http.Response, error) {
	r.Host = h.host
	return h.next.Do(r)
}

func TestTags(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	tag := func(m map[string]string) error {
		_, err := c.TagQueue(bound(t), &sqs.TagQueueInput{QueueUrl: &url, Tags: m})
		return err
	}
	if err := tag(map[string]string{"a": "1", "b": "", "größe": "groß 😀"}); err != nil {
		t.Fatal(err)
	}
	if err := tag(map[string]string{"a": "2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagQueue(bound(t), &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"b", "absent"}}); err != nil {
		t.Fatal(err)
	}
	out, err := c.ListQueueTags(bound(t), &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil || len(out.Tags) != 2 || out.Tags["a"] != "2" || out.Tags["größe"] != "groß 😀" {
		t.Fatalf("tags = %v, %v", out, err)
	}
	many := map[string]string{}
	for i := range 51 {
		many[fmt.Sprintf("k%d", i)] = "v"
	}
	for what, m := range map[string]map[string]string{
		"51 tags":    many,
		"long key":   {strings.Repeat("k", 129): "v"},
		"long value": {"k": strings.Repeat("v", 257)},
		"empty key":  {"": "v"},
	} {
		t.Run(what, func(t *testing.T) { wantCode(t, tag(m), codeBadValue, codeMissing) })
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	for i := range 5 {
		send(t, c, url, fmt.Sprint(i))
	}
	send(t, c, url, "late", delay(900))
	one(t, c, url)
	wantCounts(t, c, url, "4", "1", "1")
	if _, err := c.PurgeQueue(bound(t), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, url, "0", "0", "0")
	_, err := c.PurgeQueue(bound(t), &sqs.PurgeQueueInput{QueueUrl: &url})
	wantError[*types.PurgeQueueInProgress](t, err, codePurging)
	send(t, c, url, "after")
	if m := one(t, c, url); *m.Body != "after" {
		t.Errorf("received %q after the purge", *m.Body)
	}
	_, err = c.PurgeQueue(bound(t), &sqs.PurgeQueueInput{QueueUrl: aws.String(endpoint(t) + "/" + account + "/absent")})
	wantError[*types.QueueDoesNotExist](t, err, codeNoQueue)
}

// A purge forgets deduplication ids, too.
func TestPurgeOfFIFO(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	send(t, c, url, "m", group("g"))
	if _, err := c.PurgeQueue(bound(t), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	send(t, c, url, "m", group("g"))
	wantCounts(t, c, url, "1", "0", "0")
}
