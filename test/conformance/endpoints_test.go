package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/waystation/waystation/test/harness"
)

// receiver is an HTTP endpoint that keeps what it gets and answers as told.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	status int           // guarded by mu
	got    []received    // guarded by mu
	woken  chan struct{} // closed when something came; guarded by mu
}

type received struct {
	header http.Header
	body   string
	status int // of the answer
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{status: http.StatusOK, woken: make(chan struct{})}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		status := r.status
		r.got = append(r.got, received{req.Header, string(body), status})
		close(r.woken)
		r.woken = make(chan struct{})
		r.mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "answered")
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// wait waits for something that was received, and gives it.
func (r *receiver) wait(t testing.TB, what string, wants func(received) bool) received {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		r.mu.Lock()
		for _, x := range r.got {
			if wants(x) {
				r.mu.Unlock()
				return x
			}
		}
		woken, n := r.woken, len(r.got)
		r.mu.Unlock()
		select {
		case <-woken:
		case <-limit:
			t.Fatalf("%s did not come; %d others did", what, n)
		}
	}
}

func ofType(kind string) func(received) bool {
	return func(x received) bool { return x.header.Get("x-amz-sns-message-type") == kind }
}

func envelopeOf(t testing.TB, x received) (n notification) {
	t.Helper()
	if err := json.Unmarshal([]byte(x.body), &n); err != nil {
		t.Fatalf("%s: %v", x.body, err)
	}
	return n
}

// subscribeHTTP subscribes an endpoint and confirms it by the address that it is sent.
func subscribeHTTP(t testing.TB, c *sns.Client, topic string, r *receiver, path string, a attrs) (subscription string, asked received) {
	t.Helper()
	out, err := c.Subscribe(bound(t), &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("http"), Endpoint: aws.String(r.URL + path), Attributes: a, ReturnSubscriptionArn: true,
	})
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	asked = r.wait(t, "SubscriptionConfirmation", func(x received) bool {
		return ofType("SubscriptionConfirmation")(x) && x.header.Get("x-amz-sns-topic-arn") == topic
	})
	visit(t, envelopeOf(t, asked).SubscribeURL)
	return *out.SubscriptionArn, asked
}

func visit(t testing.TB, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s, %v", address, resp.Status, body, err)
	}
	return string(body)
}

// page is what /deliveries answers.
type page struct {
	Endpoints []struct{ Name, State string }
	Attempts  []struct {
		Message, Class, Text string
		Attempt, Status      int
	}
	Undelivered []struct {
		ID, Message, Class string
		Attempts, Status   int
	}
	Retried int
}

func deliveries(t testing.TB, method, base string, q url.Values) (p page) {
	t.Helper()
	req, err := http.NewRequestWithContext(bound(t), method, base+"/deliveries?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &p)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v: %s: %s, %v", q, resp.Status, body, err)
	}
	return p
}

func TestTopicToEndpoints(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	c := topics(base, harness.Key, harness.Secret)
	topic := newTopic(t, c, attrs{"SignatureVersion": "2"})
	r, plain := newReceiver(t), newReceiver(t)
	sub, asked := subscribeHTTP(t, c, topic, r, "/hook?a=b", nil)
	if n := envelopeOf(t, asked); n.Token == "" || n.TopicArn != topic || asked.header.Get("Content-Type") != "text/plain; charset=UTF-8" ||
		asked.header.Get("x-amz-sns-message-id") != n.MessageId || validate(n) != nil {
		t.Errorf("asked to confirm by %+v, %v: %v", asked, n, validate(n))
	}
	rawSub, _ := subscribeHTTP(t, c, topic, plain, "/", attrs{
		"RawMessageDelivery": "true", "DeliveryPolicy": `{"requestPolicy":{"headerContentType":"application/xml"}}`,
	})
	got, err := c.GetSubscriptionAttributes(bound(t), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	if err != nil || got.Attributes["PendingConfirmation"] != "false" {
		t.Errorf("%v, %v", got, err)
	}

	published := publish(t, c, &sns.PublishInput{TopicArn: &topic, Message: aws.String("<hello/>"), Subject: aws.String("greeting")})
	x := r.wait(t, "Notification", ofType("Notification"))
	n := envelopeOf(t, x)
	if err := validate(n); err != nil || n.Message != "<hello/>" || *n.Subject != "greeting" || n.MessageId != *published.MessageId {
		t.Errorf("%+v: %v", n, err)
	}
	for name, want := range map[string]string{
		"x-amz-sns-message-id": *published.MessageId, "x-amz-sns-topic-arn": topic, "x-amz-sns-subscription-arn": sub,
		"Content-Type": "text/plain; charset=UTF-8", "User-Agent": "Amazon Simple Notification Service Agent", "x-amz-sns-rawdelivery": "",
	} {
		if got := x.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	x = plain.wait(t, "the raw message", ofType("Notification"))
	if x.body != "<hello/>" || x.header.Get("x-amz-sns-rawdelivery") != "true" || x.header.Get("Content-Type") != "application/xml" ||
		x.header.Get("x-amz-sns-subscription-arn") != rawSub {
		t.Errorf("raw: %+v", x)
	}
	eventually(t, 30*time.Second, "the attempts in the log", func() bool {
		list := deliveries(t, http.MethodGet, base, url.Values{"list": {"attempts"}, "endpoint": {sub}}).Attempts
		return len(list) == 2 && list[1].Message == *published.MessageId && list[1].Status == 200 && list[1].Text == "answered"
	})

	// The end of a subscription is told, and can be undone.
	if _, err := c.Unsubscribe(bound(t), &sns.UnsubscribeInput{SubscriptionArn: &sub}); err != nil {
		t.Fatal(err)
	}
	n = envelopeOf(t, r.wait(t, "UnsubscribeConfirmation", ofType("UnsubscribeConfirmation")))
	if n.Token == "" || !strings.Contains(n.Message, sub) {
		t.Errorf("%+v", n)
	}
	visit(t, n.SubscribeURL)
	publish(t, c, &sns.PublishInput{TopicArn: &topic, Message: aws.String("back")})
	r.wait(t, "what was published afterwards", func(x received) bool {
		return ofType("Notification")(x) && envelopeOf(t, x).Message == "back"
	})
}

const oneRetry = `{"healthyRetryPolicy":{"numRetries":1,"minDelayTarget":1,"maxDelayTarget":1}}`

// What an endpoint does not take goes to the dead-letter queue; what has none is kept
// and can be tried again.
func TestEndpointsDeadLetters(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	c, s := topics(base, harness.Key, harness.Secret), client(t)
	topic := newTopic(t, c, nil)
	dead := queue(t, s, nil)
	gone, busy := newReceiver(t), newReceiver(t)
	subscribeHTTP(t, c, topic, gone, "/", attrs{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q}`, arn(t, s, dead))})
	sub, _ := subscribeHTTP(t, c, topic, busy, "/", attrs{"DeliveryPolicy": oneRetry})
	gone.answer(http.StatusGone)
	busy.answer(http.StatusServiceUnavailable)
	published := publish(t, c, &sns.PublishInput{TopicArn: &topic, Message: aws.String("important")})
	if n := notificationOf(t, one(t, s, dead)); n.Message != "important" || n.MessageId != *published.MessageId {
		t.Errorf("%+v", n)
	}
	none(t, s, dead)
	ask := url.Values{"list": {"undelivered"}, "endpoint": {sub}}
	eventually(t, 30*time.Second, "the message among what is undelivered", func() bool {
		list := deliveries(t, http.MethodGet, base, ask).Undelivered
		return len(list) == 1 && list[0].Message == *published.MessageId && list[0].Status == 503 && list[0].Attempts == 2
	})
	busy.answer(http.StatusOK)
	if p := deliveries(t, http.MethodPost, base, url.Values{"do": {"retry"}, "endpoint": {sub}}); p.Retried != 1 {
		t.Errorf("%+v", p)
	}
	eventually(t, 30*time.Second, "the message delivered", func() bool {
		list := deliveries(t, http.MethodGet, base, url.Values{"list": {"attempts"}, "endpoint": {sub}, "message": {*published.MessageId}}).Attempts
		return len(list) == 3 && list[2].Class == "delivered" && len(deliveries(t, http.MethodGet, base, ask).Undelivered) == 0
	})
}

// A server that is killed while messages are on their way loses none of them.
func TestPushedSurvivesKill(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "2"}})
	c := topics(server.URL(), harness.Key, harness.Secret)
	topic := newTopic(t, c, nil)
	r := newReceiver(t)
	subscribeHTTP(t, c, topic, r, "/", attrs{
		"RawMessageDelivery": "true", "DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":100,"minDelayTarget":1,"maxDelayTarget":2}}`,
	})
	const sent = 200
	r.answer(http.StatusServiceUnavailable)
	for i := range sent {
		if i == sent/2 {
			r.answer(http.StatusOK)
		}
		publish(t, c, &sns.PublishInput{TopicArn: &topic, Message: aws.String(fmt.Sprint("m", i))})
	}
	server.Kill()
	if err := errors.Join(server.Again(), server.WaitReady()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, "all messages", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		seen := map[string]bool{}
		for _, x := range r.got {
			if strings.HasPrefix(x.body, "m") && x.status == http.StatusOK { // what was refused did not arrive
				seen[x.body] = true
			}
		}
		return len(seen) == sent
	})
}

// Whatever is wrong with an endpoint is a failed attempt of its own kind.
func TestBadEndpoints(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--delivery-timeout", "1s", "--egress-deny", "127.0.0.2/32"}})
	c := topics(server.URL(), harness.Key, harness.Secret)
	release := make(chan struct{})
	serve := func(h http.HandlerFunc) *httptest.Server {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s
	}
	hang := serve(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	trickle, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trickle.Close() })
	go func() { // a head that comes byte by byte
		for {
			conn, err := trickle.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for range 100 {
					if _, err := conn.Write([]byte("H")); err != nil {
						return
					}
					select {
					case <-release:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			}()
		}
	}()
	redirect := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://169.254.169.254/latest/meta-data/")
		w.WriteHeader(http.StatusFound)
	})
	endless := serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	untrusted.Config.ErrorLog = nil
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	t.Cleanup(func() { close(release) }) // before the servers are closed, which wait
	port := func(address string) string { return address[strings.LastIndex(address, ":"):] }
	for name, tt := range map[string]struct {
		address, class string
		status         int
	}{
		"never answers":              {hang.URL, "timeout", 0},
		"byte by byte":               {"http://" + trickle.Addr().String(), "broken", 0},
		"redirects to private":       {redirect.URL, "status", 302},
		"an endless answer":          {endless.URL, "status", 500},
		"a certificate of nobody":    {untrusted.URL, "tls", 0},
		"nobody listens":             {"http://" + closed.Addr().String(), "connect", 0},
		"denied":                     {"http://127.0.0.2" + port(hang.URL), "forbidden", 0},
		"the cloud's own address":    {"http://169.254.169.254/", "forbidden", 0},
		"a name that has no address": {"http://nobody.invalid/", "dns", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, c, nil)
			protocol, _, _ := strings.Cut(tt.address, ":")
			out, err := c.Subscribe(bound(t), &sns.SubscribeInput{
				TopicArn: &topic, Protocol: &protocol, Endpoint: &tt.address, ReturnSubscriptionArn: true,
				Attributes: attrs{"DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":0}}`},
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, 30*time.Second, "the failed attempt", func() bool {
				list := deliveries(t, http.MethodGet, server.URL(), url.Values{"list": {"attempts"}, "endpoint": {*out.SubscriptionArn}}).Attempts
				if len(list) > 0 && (list[0].Status != tt.status || list[0].Class != tt.class && !(tt.class == "broken" && list[0].Class == "timeout") &&
					!(tt.class == "dns" && list[0].Class == "timeout")) {
					t.Fatalf("%+v", list)
				}
				return len(list) == 1
			})
		})
	}
}
