package bus_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

func TestPush(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	f.push()
	url, got := receiver(t, nil)
	c := f.connection(registry.Connection{Type: bus.APIKey, Client: "x-key", Secret: "hush", Parameters: []registry.Parameter{
		{Place: registry.InHeader, Key: "x-both", Value: "connection"}, {Place: registry.InHeader, Key: "host", Value: "evil"},
		{Place: registry.InQuery, Key: "both", Value: "connection", Secret: true}, {Place: registry.InBody, Key: "tenant", Value: `<"a">`},
	}})
	b := f.bus("shop")
	d := f.destination(c, "crm", url+"/v1/*/orders/*?fixed=1", func(d *registry.APIDestination) { d.Method = "PUT" })
	f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: d.ARN(), InputPath: "$.detail", HTTP: &registry.HTTPParameters{
		Path:   []string{"$.detail.customer", "x"},
		Header: map[string]string{"X-Both": "target", "x-id": "$.id", "x-none": "$.detail.none", "user-agent": "other", "x-literal": "$5"},
		Query:  map[string]string{"both": "target", "n": "$.detail.n", "whole": "$.detail.list"},
	}})
	e := event("a", `{"customer":"a/b c","n":1.5,"list":[1,"x"],"text":"<&>"}`)
	e.Trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
	id := f.put(b, e)[0]
	r := next(t, got)
	if r.method != "PUT" || r.url != "/v1/a%2Fb%20c/orders/x?fixed=1&both=connection&n=1.5&whole=%5B1%2C%22x%22%5D" {
		t.Error(r.method, r.url)
	}
	if r.body != `{"customer":"a/b c","list":[1,"x"],"n":1.5,"tenant":"<\"a\">","text":"<&>"}` {
		t.Error(r.body)
	}
	for name, want := range map[string]string{
		"X-Key": "hush", "X-Both": "connection", "X-Id": id, "X-None": "", "X-Literal": "$5", "User-Agent": "Amazon/EventBridge/ApiDestinations",
		"Content-Type": "application/json; charset=utf-8", "Range": "bytes=0-1048575", "X-Amzn-Trace-Id": e.Trace, "Authorization": "",
	} {
		if v := r.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	f.wantCounted(bus.Counted{Put: 1, Matched: 1, Delivered: 1})
}

// What a target makes of the event, and what of it each method sends.
func TestPushInputs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	f.push()
	b := f.bus("shop")
	c := f.connection(basic)
	for i, tt := range []struct {
		method string
		target registry.Target
		want   string
	}{
		{"POST", registry.Target{Input: `{"constant":true}`}, `{"constant":true}`},
		{"PATCH", registry.Target{Template: `{"rule":"<aws.events.rule-name>","n":<n>}`, Paths: map[string]string{"n": "$.detail.n"}}, `{"rule":"r1","n":1}`},
		{"DELETE", registry.Target{InputPath: "$.detail.n"}, "1"},
		{"GET", registry.Target{}, ""},
	} {
		url, got := receiver(t, nil)
		d := f.destination(c, fmt.Sprint("d", i), url, func(d *registry.APIDestination) { d.Method = tt.method })
		tt.target.ARN = d.ARN()
		f.rule(b, fmt.Sprint("r", i), fmt.Sprintf(`{"source":["s%d"]}`, i), tt.target)
		f.put(b, event(fmt.Sprint("s", i), `{"n":1}`))
		if r := next(t, got); r.method != tt.method || r.body != tt.want || r.header.Get("Authorization") != "Basic bWU6aHVzaA==" {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

// Requests are signed as Standard Webhooks has it, by both secrets while they change; the
// id stays the same when a message is tried again.
func TestPushSigned(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	f.push()
	url, got := receiver(t, func(n int, _ call) int { return map[bool]int{true: 503, false: 200}[n == 0] })
	older, newer := []byte("24 bytes of the older one"), []byte("24 bytes of the newer one")
	text := func(b []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(b) }
	c := f.connection(registry.Connection{Type: bus.APIKey, Client: "Webhook-Signature", Secret: registry.SecretText(text(newer) + " " + text(older))})
	b := f.bus("shop")
	f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: f.destination(c, "d", url, nil).ARN()})
	f.put(b, event("a", `{}`))
	first, second := next(t, got), next(t, got)
	if id := first.header.Get("webhook-id"); id == "" || id != second.header.Get("webhook-id") || first.body != second.body {
		t.Errorf("%v, then %v", first.header, second.header)
	}
	signature := func(secret []byte, r call) string {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(r.header.Get("webhook-id") + "." + r.header.Get("webhook-timestamp") + "." + r.body))
		return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	for _, r := range []call{first, second} {
		if v := r.header.Get("webhook-signature"); v != signature(newer, r)+" "+signature(older, r) {
			t.Errorf("signature %q", v)
		}
	}
}

func attributes(m partition.Received) map[string]string {
	list := make(map[string]string)
	for _, a := range m.Attributes {
		list[a.Name] = a.Value
	}
	return list
}

// What is given up goes to the dead-letter queue of the target, and says why.
func TestPushFails(t *testing.T) {
	t.Parallel()
	one, none := 1, 0
	for name, tt := range map[string]struct {
		status  int
		retries *int
		want    map[string]string
		calls   int
	}{
		"for good":   {404, nil, map[string]string{"ERROR_CODE": "ERROR_FROM_TARGET", "RETRY_ATTEMPTS": "0"}, 1},
		"forbidden":  {403, nil, map[string]string{"ERROR_CODE": "NO_PERMISSIONS", "RETRY_ATTEMPTS": "0"}, 1},
		"redirected": {302, nil, map[string]string{"ERROR_CODE": "ERROR_FROM_TARGET", "RETRY_ATTEMPTS": "0"}, 1},
		"again":      {500, &one, map[string]string{"ERROR_CODE": "ERROR_FROM_TARGET", "RETRY_ATTEMPTS": "1", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"}, 2},
		"too many":   {429, &none, map[string]string{"ERROR_CODE": "THROTTLING", "RETRY_ATTEMPTS": "0", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"}, 1},
		"conflict":   {409, &none, map[string]string{"ERROR_CODE": "ERROR_FROM_TARGET", "RETRY_ATTEMPTS": "0", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 2, false)
			p := f.push()
			url, got := receiver(t, func(int, call) int { return tt.status })
			d := f.destination(f.connection(basic), "d", url, nil)
			dead, b := f.standard("dead"), f.bus("shop")
			f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: d.ARN(), DeadLetterARN: dead.ARN(), MaxRetries: tt.retries, InputPath: "$.detail"})
			id := f.put(b, event("a", `{}`))[0]
			m := f.take(dead, 1)[0]
			tt.want["RULE_ARN"], tt.want["TARGET_ARN"] = "arn:aws:events:"+region+":"+account+":rule/shop/r", d.ARN()
			has := attributes(m)
			if msg := has["ERROR_MESSAGE"]; msg != fmt.Sprintf("The API destination %s answered %d.", d.ARN(), tt.status) {
				t.Error(msg)
			}
			delete(has, "ERROR_MESSAGE")
			if fmt.Sprint(has) != fmt.Sprint(tt.want) {
				t.Errorf("%v, want %v", has, tt.want)
			}
			if !strings.Contains(m.Body, id) {
				t.Errorf("%s is not the event", m.Body)
			}
			if len(got) != tt.calls {
				t.Errorf("%d requests, want %d", len(got), tt.calls)
			}
			if kept, _, err := p.Undelivered(t.Context(), d.ARN(), delivery.Filter{}, "", 10); err != nil || len(kept) != 0 {
				t.Errorf("%+v, %v", kept, err)
			}
		})
	}
}

// Credentials that are not taken are not used again; events wait for others.
func TestDeauthorized(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	f.push()
	url, got := receiver(t, func(_ int, c call) int {
		if c.header.Get("Authorization") == "Basic bWU6aHVzaA==" {
			return 401
		}
		return 200
	})
	d := f.destination(f.connection(basic), "d", url, nil)
	b := f.bus("shop")
	f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: d.ARN()})
	f.put(b, event("a", `{}`))
	if c := f.state("c", registry.Deauthorized); c.StateReason != "The API destination d answered 401." {
		t.Error(c.StateReason)
	}
	next(t, got)
	if _, err := f.UpdateConnection(t.Context(), account, region, "c", func(c *registry.Connection) (bool, error) {
		c.Secret = "right"
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	if r := next(t, got); r.header.Get("Authorization") != "Basic bWU6cmlnaHQ=" {
		t.Errorf("%+v", r)
	}
	f.state("c", registry.Authorized)
}

// What was put before a restart is pushed after it; what waits for a destination that is
// deleted ends in the dead-letter queue, and so does what comes later.
func TestPushAfterRestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	url, got := receiver(t, nil)
	c := f.connection(basic)
	kept, gone := f.destination(c, "kept", url, nil), f.destination(c, "gone", url, nil)
	dead, b := f.standard("dead"), f.bus("shop")
	f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: kept.ARN()}, registry.Target{ARN: gone.ARN(), DeadLetterARN: dead.ARN()})
	for range 10 {
		f.put(b, event("a", `{}`))
	}
	f.restart(2)
	b = f.bus("shop")
	if err := f.DeleteDestination(t.Context(), account, region, "gone"); err != nil {
		t.Fatal(err)
	}
	again := f.destination(f.state("c", registry.Authorized), "gone", url, nil)
	if again.ARN() == gone.ARN() {
		t.Errorf("the new one is the old one: %s", gone.ARN())
	}
	f.put(b, event("a", `{}`))
	p := f.push()
	for range 11 {
		next(t, got)
	}
	for _, m := range f.take(dead, 11) {
		if has := attributes(m); has["ERROR_CODE"] != "NO_RESOURCE" || has["TARGET_ARN"] != gone.ARN() {
			t.Errorf("%v", has)
		}
	}
	list, _, err := p.Endpoints(t.Context(), "", 10)
	if err != nil || len(list) != 2 || list[0].Name != again.ARN() || list[1].Name != kept.ARN() || list[1].Address != url {
		t.Errorf("%+v, %v", list, err)
	}
	p.stop()
}

// An event whose target is removed while it waits is put aside, not dropped.
func TestTargetRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	url, got := receiver(t, nil)
	d := f.destination(f.connection(basic), "d", url, nil)
	b := f.bus("shop")
	f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: d.ARN()})
	id := f.put(b, event("a", `{}`))[0]
	if _, err := f.RemoveTargets(t.Context(), b, "r", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	p := f.push()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		kept, _, err := p.Undelivered(t.Context(), d.ARN(), delivery.Filter{}, "", 10)
		if err == nil && len(kept) == 1 {
			if kept[0].Message != id || kept[0].Class != delivery.Damaged {
				t.Errorf("%+v", kept)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", kept, err)
		}
	}
	if len(got) != 0 {
		t.Error("it was pushed")
	}
}

func TestDefinitionsOfDestinations(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	ctx := t.Context()
	c := f.connection(basic)
	wants := func(got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	_, err := f.CreateConnection(ctx, *c)
	wants(err, bus.ErrConnectionExists)
	_, err = f.Connection(ctx, account, region, "none")
	wants(err, bus.ErrNoConnection)
	_, err = f.ConnectionOf(ctx, strings.Replace(c.ARN(), "/c/", "/d/", 1))
	wants(err, bus.ErrNoConnection)
	_, err = f.ConnectionOf(ctx, c.ARN()[:len(c.ARN())-1]+"x")
	wants(err, bus.ErrNoConnection)
	_, err = f.ConnectionOf(ctx, "nonsense")
	wants(err, bus.ErrNoConnection)
	d := registry.APIDestination{Meta: registry.Meta{Account: account, Region: region, Name: "d"}, ConnectionARN: "nonsense"}
	_, err = f.CreateDestination(ctx, d)
	wants(err, bus.ErrNoConnection)
	d.ConnectionARN, d.Region = c.ARN(), "us-east-1"
	_, err = f.CreateDestination(ctx, d)
	wants(err, bus.ErrNoConnection)
	made := f.destination(c, "d", "http://h", nil)
	d.Region = region
	_, err = f.CreateDestination(ctx, d)
	wants(err, bus.ErrDestinationExists)
	_, err = f.UpdateDestination(ctx, account, region, "d", func(d *registry.APIDestination) { d.ConnectionARN = "nonsense" })
	wants(err, bus.ErrNoConnection)
	_, err = f.UpdateDestination(ctx, account, region, "none", func(*registry.APIDestination) {})
	wants(err, bus.ErrNoDestination)
	wants(f.DeleteDestination(ctx, account, region, "none"), bus.ErrNoDestination)
	wants(f.DeleteConnection(ctx, account, region, "none"), bus.ErrNoConnection)
	if !f.Active(made) {
		t.Error("it is not active")
	}
	now, err := f.Deauthorize(ctx, account, region, "c")
	if err != nil || now.State != registry.Deauthorized || now.Client != "" || now.Secret != "" || f.Active(made) {
		t.Errorf("%+v, %v", now, err)
	}
	wants(f.DeleteConnection(ctx, account, region, "c"), nil)
	if f.Active(made) {
		t.Error("it is active without a connection")
	}
	for i := range 5 {
		def := basic
		def.Name = fmt.Sprint("p", i)
		made := f.connection(def)
		f.destination(made, fmt.Sprint("p", i), "http://h", nil)
		if i%2 == 1 {
			if _, err := f.Deauthorize(ctx, account, region, def.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	var names []string
	for after, more := "", true; more; {
		var list []*registry.Connection
		list, more = f.Connections(account, region, "p", registry.Authorized, after, 2)
		for _, c := range list {
			after = c.Name
			names = append(names, c.Name)
		}
	}
	if !slices.Equal(names, []string{"p0", "p2", "p4"}) {
		t.Error(names)
	}
	p3, _ := f.Connection(ctx, account, region, "p3")
	if list, more := f.APIDestinations(account, region, "", p3.ARN(), "", 2); more || len(list) != 1 || list[0].Name != "p3" {
		t.Errorf("%+v, %v", list, more)
	}
	if text, _ := json.Marshal(p3); strings.Contains(string(text), "hush") {
		t.Errorf("%s", text)
	}
}
