package protocol

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// enters counts how many requests of one caller are let in.
func enters(b *budget, c class, key, addr string) (all []*lease) {
	for {
		l := b.lease(addr)
		l.class, l.key.key = c, key
		if !l.enter() {
			return all
		}
		all = append(all, l)
	}
}

// TestRequestsAreSharedByWhatIsFree: no caller takes all requests that there may be,
// over however many connections, and a class leaves something to those above it.
func TestRequestsAreSharedByWhatIsFree(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		class class
		want  [3]int // of 800: of one caller alone, of a second, of a third
	}{
		{known, [3]int{400, 200, 100}},
		{claiming, [3]int{300, 150, 75}},
		{unsigned, [3]int{100, 50, 25}},
	} {
		b := newBudget(1<<20, 800)
		var all []*lease
		for i, want := range tt.want {
			got := enters(b, tt.class, "", fmt.Sprintf("192.0.2.%d", i))
			if len(got) != want {
				t.Errorf("class %d, caller %d: %d requests, want %d", tt.class, i, len(got), want)
			}
			all = append(all, got...)
		}
		// One more with a proven key, from an address that has its share already.
		if got := enters(b, known, "AKIAOTHER", "192.0.2.0"); len(got) == 0 {
			t.Errorf("class %d: nothing is left for another key", tt.class)
		} else {
			all = append(all, got...)
		}
		for _, l := range all {
			l.end()
		}
		if b.requests.used != [classCount]int64{} || len(b.peers) != 0 {
			t.Errorf("left: %v requests, %d callers", b.requests.used, len(b.peers))
		}
	}
	if got := enters(newBudget(1<<20, 1), unsigned, "", "192.0.2.1"); len(got) != 1 {
		t.Errorf("of a single request: %d", len(got))
	}
}

// TestOneCallerLeavesRequests: the same through the Handler.
func TestOneCallerLeavesRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.MaxRequests = 8 })
	hold := enters(f.budget, known, "", "192.0.2.1") // the address of httptest's requests
	if len(hold) != 4 {
		t.Fatalf("one caller has %d of 8", len(hold))
	}
	if w := f.do(jsonRequest("AmazonSQS.SendMessage", "{}")); w.Code != 503 {
		t.Errorf("one more of the same caller: %d", w.Code)
	}
	r := jsonRequest("AmazonSQS.ReceiveMessage", "{}")
	r.RemoteAddr = "192.0.2.2:4711"
	if w := f.do(r); w.Code != 200 {
		t.Errorf("another caller: %d %s", w.Code, w.Body)
	}
	for _, l := range hold {
		l.end()
	}
}

// claimed is a request as most SDKs make it: the signature is over the body's hash,
// which the header does not name.
func claimed(t *testing.T, secret, body string) *http.Request {
	t.Helper()
	r := jsonRequest("AmazonSQS.SendMessage", body)
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: secret},
		r, hex.EncodeToString(sum[:]), "sqs", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestKeyWithoutSecret: who names a key that there is, and cannot prove it, takes from
// the part of those who have proven nothing, until the body has been read. Clients who
// have proven the key from where they are do not.
func TestKeyWithoutSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Access, c.BodyMemory = keyedAccess(t), 64<<20 })
	text := `{"QueueUrl":"q","MessageBody":"` + strings.Repeat("x", 20<<10) + `"}`
	crowd := lease{budget: f.budget, class: claiming, addr: netip.MustParseAddr("198.51.100.1")}
	if w := f.do(claimed(t, testSecret, `{"QueueUrl":"q","MessageBody":"x"}`)); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	crowd.force(f.budget.memory.free(claiming))
	if free := f.budget.memory.free(known); free < 16<<20 {
		t.Fatalf("a crowd without the secret leaves %d bytes", free)
	}
	if w := f.do(claimed(t, testSecret, text)); w.Code != 200 {
		t.Errorf("a client that was known: %d %s", w.Code, w.Body)
	}
	stranger := func() *http.Request {
		r := claimed(t, "wrong", text)
		r.RemoteAddr = "192.0.2.2:4711" // an address of which nothing is known
		return r
	}
	// It waits for room until its patience ends, or here the client's.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w := f.do(stranger().WithContext(ctx)); w.Code != 503 {
		t.Errorf("without the secret: %d %s", w.Code, w.Body)
	}
	crowd.end()
	if w := f.do(stranger()); w.Code != 403 {
		t.Errorf("without the secret, with room: %d %s", w.Code, w.Body)
	}
	if f.vouchers.has(voucher{testKey, netip.MustParseAddr("192.0.2.2")}, time.Now()) {
		t.Error("a wrong signature speaks for its sender")
	}
}

// TestKeyBehindOneAddress: who names a key behind an address that it was used from, and
// has not its secret, takes nothing from the key's use elsewhere.
func TestKeyBehindOneAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Access, c.BodyMemory = keyedAccess(t), 64<<20 })
	text := `{"QueueUrl":"q","MessageBody":"` + strings.Repeat("x", 20<<10) + `"}`
	if w := f.do(claimed(t, testSecret, text)); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var never []*lease // whose bodies never end
	for range 64 {
		x := &exchange{request: request{http: claimed(t, "wrong", text)}, started: time.Now()}
		if err := f.authenticate(x); err != nil {
			t.Fatal(err)
		}
		if err := f.admit(x); err != nil {
			t.Fatal(err)
		}
		now(&x.lease, 1<<20)
		never = append(never, &x.lease)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()           // it would wait
	for i := range 2 { // the second time the address has a voucher
		r := claimed(t, testSecret, text)
		r.RemoteAddr = "192.0.2.9:4711"
		if w := f.do(r.WithContext(ctx)); w.Code != 200 {
			t.Errorf("elsewhere, request %d: %d %s", i, w.Code, w.Body)
		}
	}
	for _, l := range never {
		l.end()
	}
	if f.budget.memory.used != [classCount]int64{} || f.budget.requests.used != [classCount]int64{} || len(f.budget.peers) != 0 {
		t.Errorf("left: %v bytes, %v requests, %d callers", f.budget.memory.used, f.budget.requests.used, len(f.budget.peers))
	}
}

// TestRequestsBehindOneAddress: the same for the number of requests.
func TestRequestsBehindOneAddress(t *testing.T) {
	t.Parallel()
	b := newBudget(1<<20, 800)
	var all []*lease
	for {
		l := b.lease("192.0.2.1")
		l.key.key, l.vouched = testKey, true
		if !l.enter() {
			break
		}
		all = append(all, l)
	}
	if len(all) != 200 {
		t.Errorf("%d of 800 requests are vouched for", len(all))
	}
	if got := enters(b, known, testKey, "192.0.2.9"); len(got) != 200 {
		t.Errorf("%d are left to the key elsewhere", len(got))
	} else {
		all = append(all, got...)
	}
	for _, l := range all {
		l.prove()
		l.end()
	}
	if b.requests.used != [classCount]int64{} || len(b.peers) != 0 {
		t.Errorf("left: %v requests, %d callers", b.requests.used, len(b.peers))
	}
}

// usedAtWrite notes what is used of the budget when an answer is written.
type usedAtWrite struct {
	*httptest.ResponseRecorder
	budget *budget
	used   int64
}

func (w *usedAtWrite) Write(b []byte) (int, error) {
	w.budget.mu.Lock()
	defer w.budget.mu.Unlock()
	w.used = w.budget.memory.used[known]
	return w.ResponseRecorder.Write(b)
}

// TestRefusedHoldNothing: a client that is refused, and then takes long to read that,
// holds no memory for its body meanwhile.
func TestRefusedHoldNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Access = keyedAccess(t) })
	text := strings.Repeat("x", 1<<20)
	for name, r := range map[string]*http.Request{
		"signature": claimed(t, "wrong", `{"QueueUrl":"q","MessageBody":"`+text+`"}`),
		"syntax":    claimed(t, testSecret, `{"QueueUrl":"`+text),
		"operation": claimed(t, testSecret, `{"QueueUrl":"q/none","MessageBody":"`+text+`"}`),
	} {
		w := &usedAtWrite{ResponseRecorder: httptest.NewRecorder(), budget: f.budget}
		if f.ServeHTTP(w, r); w.Code < 400 || w.used != 0 {
			t.Errorf("%s: %d, %d bytes are used when it is answered", name, w.Code, w.used)
		}
	}
}

func TestVouchers(t *testing.T) {
	t.Parallel()
	var s vouchers
	start := time.Unix(1e9, 0)
	v := voucher{"AKIA1", netip.MustParseAddr("192.0.2.1")}
	s.add(v, start)
	for _, tt := range []struct {
		v     voucher
		after time.Duration
		want  bool
	}{
		{v, 0, true},
		{v, voucherTime - 1, true},
		{v, voucherTime, false},
		{voucher{"AKIA2", v.addr}, 0, false},
		{voucher{v.key, netip.MustParseAddr("192.0.2.2")}, 0, false},
	} {
		if got := s.has(tt.v, start.Add(tt.after)); got != tt.want {
			t.Errorf("%v after %v: %v", tt.v, tt.after, got)
		}
	}
	for i := range 3 * maxVouchers {
		s.add(voucher{key: fmt.Sprint(i)}, start)
	}
	if n := len(s.recent) + len(s.older); n > maxVouchers || s.has(v, start) || !s.has(voucher{key: fmt.Sprint(2*maxVouchers + maxVouchers/2)}, start) {
		t.Errorf("%d are kept", n)
	}
}

// TestLargeHeadersArePaid: a header that is larger than clients' are is paid from the
// budget until its request is answered, an error included; without room it is refused.
func TestLargeHeadersArePaid(t *testing.T) {
	t.Parallel()
	var f *fixture
	var used []int64
	look := func() {
		f.budget.mu.Lock()
		defer f.budget.mu.Unlock()
		used = append(used, f.budget.memory.used[known])
	}
	op := Op("Look", func(_ context.Context, c *Call, _ *Empty) (*Empty, error) {
		look()
		return nil, InternalFailure()
	})
	f = newFixture(t, func(c *Config) {
		c.APIs[0].Operations = append(c.APIs[0].Operations, op)
		c.Observe = func(string, string, string, time.Duration, int, int) { look() } // when it is written
	})
	request := func(lines int) int {
		r := formRequest("/", "Action=Look&Version=2012-11-05")
		for i := range lines {
			r.Header.Set(fmt.Sprintf("X-%d", i), "")
		}
		return f.do(r).Code
	}
	const many = 1000
	if code := request(10); code != 500 || used[0] != 0 || used[1] != 0 {
		t.Errorf("a usual header: %d, %v bytes", code, used)
	}
	if code := request(many); code != 500 || used[2] < many*lineMemory || used[3] != used[2] {
		t.Errorf("a large one: %d, %v bytes", code, used[2:])
	}
	if used := f.budget.memory.used[known]; used != 0 {
		t.Errorf("%d bytes are still used", used)
	}
	rest := f.budget.lease("192.0.2.9")
	rest.force(f.budget.limit - many*lineMemory/2)
	defer rest.end()
	if code := request(many); code != 503 {
		t.Errorf("without room: %d", code)
	}
	if code := request(10); code != 500 {
		t.Errorf("a usual one without room: %d", code)
	}
}
