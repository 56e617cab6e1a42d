package scheduler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
	"github.com/waystation/waystation/internal/scheduler"
)

// wait lets virtual time pass, and what it brings about be done.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestFires(t *testing.T) {
	bubble(t, 2, func(t *testing.T, c *cluster) {
		n := c.start("one")
		q := n.queue("jobs")
		const input = `{"at":"<aws.scheduler.scheduled-time>","of":"<aws.scheduler.schedule-arn>","try":<aws.scheduler.attempt-number>,"id":"<aws.scheduler.execution-id>"}`
		at := c.now().Add(90 * time.Second).Truncate(time.Second)
		n.make(scheduler.Schedule{Name: "once", Expression: at.UTC().Format("at(2006-01-02T15:04:05)"), Target: to(q.ARN(), input), DeleteAfter: true})
		n.make(scheduler.Schedule{Name: "kept", Expression: at.UTC().Format("at(2006-01-02T15:04:05)"), Target: to(q.ARN(), "kept")})
		n.make(scheduler.Schedule{Name: "off", Expression: at.UTC().Format("at(2006-01-02T15:04:05)"), Target: to(q.ARN(), "off"), Disabled: true})
		wait(80 * time.Second)
		n.wantBodies(q)
		wait(15 * time.Second)
		got := n.take(q)
		slices.SortFunc(got, func(a, b partition.Received) int { return strings.Compare(b.Body, a.Body) })
		if len(got) != 2 || got[1].Body != "kept" && got[0].Body != "kept" {
			t.Fatalf("%+v", got)
		}
		m := got[0]
		if m.Body == "kept" {
			m = got[1]
		}
		var body struct {
			At, Of, ID string
			Try        int
		}
		if err := json.Unmarshal([]byte(m.Body), &body); err != nil || body.At != at.UTC().Format("2006-01-02T15:04:05Z") ||
			body.Of != "arn:aws:scheduler:"+region+":"+account+":schedule/default/once" || body.Try != 1 || len(body.ID) != 16 {
			t.Errorf("%s, %v", m.Body, err)
		}
		if sent := time.UnixMilli(m.Sent); sent.Before(at) || sent.Sub(at) > time.Second {
			t.Errorf("due at %v, sent at %v", at, sent)
		}
		// What is complete is deleted, or stays and does nothing.
		if _, err := n.get("once"); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("it is there after it is complete: %v", err)
		}
		for _, name := range []string{"kept", "off"} {
			if x, err := n.get(name); err != nil || x.Next != 0 {
				t.Errorf("%s: %+v, %v", name, x, err)
			}
		}
		// Each minute once, from the start to the end.
		start := c.now().Add(2 * time.Minute).Truncate(time.Second)
		n.make(scheduler.Schedule{
			Name: "every", Expression: "rate(1 minute)", Start: start.UnixMilli(), End: start.Add(4 * time.Minute).UnixMilli(),
			Target: to(q.ARN(), "<aws.scheduler.scheduled-time>"), DeleteAfter: true,
		})
		wait(20 * time.Minute)
		var want []string
		for i := range 5 {
			want = append(want, start.Add(time.Duration(i)*time.Minute).UTC().Format("2006-01-02T15:04:05Z"))
		}
		n.wantBodies(q, want...)
		if _, err := n.get("every"); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("it is there after its end: %v", err)
		}
		if c.counted.Fired != 7 || c.counted.Failed+c.counted.Skipped+c.counted.Retried > 0 {
			t.Errorf("counted %+v", c.counted)
		}
	})
}

// Many that fall due at once fire, each once.
func TestFiresManyAtOnce(t *testing.T) {
	bubble(t, 3, func(t *testing.T, c *cluster) {
		n := c.start("one")
		q := n.queue("jobs")
		at := c.at(time.Minute)
		var want []string
		for i := range 300 {
			want = append(want, numbered("s", i))
			n.make(scheduler.Schedule{Name: want[i], Expression: at, Target: to(q.ARN(), want[i]), DeleteAfter: true})
		}
		wait(2 * time.Minute)
		n.wantBodies(q, want...)
		if list, _, more, err := n.List(t.Context(), account, region, "", scheduler.Position{}, 100, func(*scheduler.Schedule) bool { return true }); len(list) > 0 || more || err != nil {
			t.Errorf("left are %d, %v, %v", len(list), more, err)
		}
	})
}

func TestTargets(t *testing.T) {
	bubble(t, 3, func(t *testing.T, c *cluster) {
		n := c.start("one")
		ctx := t.Context()
		plain, fifo, subscribed, ruled, dead := n.queue("plain"), n.queue("ordered.fifo"), n.queue("subscribed"), n.queue("ruled"), n.queue("dead")
		fifoSubscribed := n.queue("subscribed.fifo")
		subscribe := func(name string, q *registry.Queue) {
			def := registry.Topic{Meta: registry.Meta{Account: account, Region: region, Name: name}, FIFO: strings.HasSuffix(name, ".fifo")}
			made, _, err := n.topic.Create(ctx, def, func(*registry.Topic) bool { return true })
			if err == nil {
				_, _, err = n.topic.Subscribe(ctx, made, registry.Subscription{Owner: account, Protocol: "sqs", Endpoint: q.ARN(), Raw: true}, func(*registry.Subscription) bool { return true })
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		subscribe("news", subscribed)
		subscribe("news.fifo", fifoSubscribed)
		b, err := n.bus.Find(ctx, account, region, registry.DefaultBus)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.bus.PutRule(ctx, b, "r", registry.Rule{Pattern: `{"source":["shop"]}`}); err != nil {
			t.Fatal(err)
		}
		if err := n.bus.PutTargets(ctx, b, "r", []registry.Target{{ID: "q", ARN: ruled.ARN()}}); err != nil {
			t.Fatal(err)
		}
		call := func(name string, input any) scheduler.Target {
			text, err := json.Marshal(input)
			if err != nil {
				t.Fatal(err)
			}
			return to(scheduler.CallPrefix+name, string(text))
		}
		type object = map[string]any
		event := to(arn("bus", "default"), `{"n":1}`)
		event.Source, event.DetailType = "shop", "paid"
		ordered := to(fifo.ARN(), "templated")
		ordered.Group = "g"
		url := "https://sqs.eu-west-1.amazonaws.com/" + account + "/"
		for i, target := range []scheduler.Target{
			to(plain.ARN(), "templated"), ordered, to(arn("topic", "news"), "templated"), event,
			call(scheduler.CallSendMessage, object{"QueueUrl": url + "plain", "MessageBody": "called <aws.scheduler.attempt-number>", "DelaySeconds": 60,
				"MessageAttributes": object{"a": object{"DataType": "String", "StringValue": "v"}, "b": object{"DataType": "Binary", "BinaryValue": "AQI="}}}),
			call(scheduler.CallSendMessage, object{"QueueUrl": url + "ordered.fifo", "MessageBody": "called", "MessageGroupId": "g"}),
			call(scheduler.CallSendBatch, object{"QueueUrl": url + "plain", "Entries": []object{{"Id": "1", "MessageBody": "batch 1"}, {"Id": "2", "MessageBody": "batch 2"}}}),
			call(scheduler.CallPublish, object{"TopicArn": arn("topic", "news"), "Message": "called", "Subject": "s"}),
			call(scheduler.CallPublish, object{"TopicArn": arn("topic", "news.fifo"), "Message": "called", "MessageGroupId": "g"}),
			call(scheduler.CallPublishBatch, object{"TopicArn": arn("topic", "news"), "PublishBatchRequestEntries": []object{{"Id": "1", "Message": "batch 1"}, {"Id": "2", "Message": "batch 2"}}}),
			call(scheduler.CallPutEvents, object{"Entries": []object{
				{"Source": "shop", "DetailType": "paid", "Detail": `{"n":2}`, "Time": "2026-01-02T03:04:05Z"}, {"Source": "others", "DetailType": "paid", "Detail": `{"n":3}`},
			}}),
			call(scheduler.CallPutEvents, object{"Entries": []object{{"Source": "shop", "DetailType": "paid", "Detail": `{"n":4}`, "EventBusName": arn("bus", "default")}}}),
		} {
			target.DeadLetterARN = dead.ARN()
			n.make(scheduler.Schedule{Name: fmt.Sprint("t", i), Expression: c.at(time.Minute), Target: target})
		}
		wait(3 * time.Minute)
		messages := n.take(plain)
		var bodies []string
		for _, m := range messages {
			bodies = append(bodies, m.Body)
			if m.Body == "called 1" && (len(m.Attributes) != 2 || m.Attributes[0].Value != "v" || string(m.Attributes[1].Binary) != "\x01\x02") {
				t.Errorf("attributes %+v", m.Attributes)
			}
		}
		slices.Sort(bodies)
		if fmt.Sprint(bodies) != "[batch 1 batch 2 called 1 templated]" {
			t.Errorf("the queue has %q", bodies)
		}
		n.wantBodies(fifo, "templated", "called")
		n.wantBodies(subscribed, "templated", "called", "batch 1", "batch 2")
		n.wantBodies(fifoSubscribed, "called")
		var details []string
		for _, body := range n.bodies(ruled) {
			var e struct {
				Source, Account, Region, Time string
				DetailType                    string `json:"detail-type"`
				Resources                     []string
				Detail                        struct{ N int }
			}
			if err := json.Unmarshal([]byte(body), &e); err != nil || e.Source != "shop" || e.DetailType != "paid" || e.Account != account || e.Region != region {
				t.Errorf("%s, %v", body, err)
			}
			details = append(details, fmt.Sprint(e.Detail.N))
			switch e.Detail.N {
			case 1:
				if fmt.Sprint(e.Resources) != "[arn:aws:scheduler:eu-west-1:"+account+":schedule/default/t3]" {
					t.Errorf("resources %v", e.Resources)
				}
			case 2:
				if e.Time != "2026-01-02T03:04:05Z" {
					t.Errorf("time %v", e.Time)
				}
			}
		}
		slices.Sort(details)
		if fmt.Sprint(details) != "[1 2 4]" {
			t.Errorf("events %v", details)
		}
		n.wantBodies(dead)
	})
}

// A target without input gets a notification.
func TestNoInput(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		n := c.start("one")
		q := n.queue("jobs")
		at := c.now().Add(time.Minute).Truncate(time.Second)
		n.make(scheduler.Schedule{Name: "s", Expression: c.at(time.Minute), Target: to(q.ARN(), "")})
		wait(2 * time.Minute)
		got := n.bodies(q)
		if len(got) != 1 {
			t.Fatalf("%q", got)
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(got[0]), &m); err != nil || m["detail-type"] != "Scheduled Event" || m["source"] != "aws.scheduler" || m["detail"] != "{}" ||
			m["account"] != account || m["time"] != at.UTC().Format("2006-01-02T15:04:05Z") {
			t.Errorf("%s, %v", got[0], err)
		}
	})
}

func ptr[T any](v T) *T { return &v }

// attributes of a dead letter.
func attributes(m partition.Received) map[string]string {
	all := make(map[string]string)
	for _, a := range m.Attributes {
		all[a.Name] = a.Value
	}
	return all
}

func TestRetries(t *testing.T) {
	bubble(t, 2, func(t *testing.T, c *cluster) {
		n := c.start("one")
		dead := n.queue("dead")
		missing := func(name, input string, retries, age *int) {
			target := to(arn("queue", name), input)
			target.MaxRetries, target.MaxAge, target.DeadLetterARN = retries, age, dead.ARN()
			n.make(scheduler.Schedule{Name: name, Expression: c.at(time.Minute), Target: target})
		}
		missing("late", "attempt <aws.scheduler.attempt-number>", nil, nil)
		missing("never", "x", ptr(3), nil)
		missing("soon", "y", nil, ptr(60))
		missing("at-once", "z", ptr(0), nil)
		permanent := to(arn("queue", "ordered.fifo"), "no group")
		permanent.DeadLetterARN = dead.ARN()
		n.queue("ordered.fifo")
		n.make(scheduler.Schedule{Name: "permanent", Expression: c.at(time.Minute), Target: permanent})
		lost := to(arn("queue", "lost"), "lost")
		lost.MaxRetries = ptr(0)
		n.make(scheduler.Schedule{Name: "lost", Expression: c.at(time.Minute), Target: lost})
		wait(61 * time.Second)
		// Retries go on when the schedule is gone.
		if err := n.Delete(t.Context(), n.group(group), "late"); err != nil {
			t.Fatal(err)
		}
		wait(5 * time.Minute)
		late := n.queue("late")
		wait(10 * time.Minute)
		got := n.bodies(late)
		if len(got) != 1 || !strings.HasPrefix(got[0], "attempt ") || got[0] == "attempt 1" {
			t.Errorf("the queue that came late has %q", got)
		}
		want := map[string][3]string{
			"x": {"MaximumRetryAttempts", "3", "AWS.SimpleQueueService.NonExistentQueue"}, "y": {"MaximumEventAgeInSeconds", "", "AWS.SimpleQueueService.NonExistentQueue"},
			"z": {"MaximumRetryAttempts", "0", "AWS.SimpleQueueService.NonExistentQueue"}, "no group": {"", "0", "MissingParameter"},
		}
		letters := n.take(dead)
		for _, m := range letters {
			w, a := want[m.Body], attributes(m)
			if a["EXHAUSTED_RETRY_CONDITION"] != w[0] || w[1] != "" && a["RETRY_ATTEMPTS"] != w[1] || a["ERROR_CODE"] != w[2] || a["ERROR_MESSAGE"] == "" ||
				a["IS_PAYLOAD_TRUNCATED"] != "false" || len(a["EXECUTION_ID"]) != 16 || !strings.Contains(a["SCHEDULE_ARN"], ":schedule/default/") ||
				!strings.Contains(a["TARGET_ARN"], ":sqs:") || a["SCHEDULED_TIME"] == "" {
				t.Errorf("the dead letter %s has %v", m.Body, a)
			}
		}
		if len(letters) != len(want) {
			t.Errorf("%d dead letters", len(letters))
		}
		if c.counted.Fired != 1 || c.counted.Redriven != 4 || c.counted.Failed != 1 || c.counted.Retried < 8 {
			t.Errorf("counted %+v", c.counted)
		}
	})
}

// Updates and deletions race with firings: each time is fired once, or the schedule was
// gone.
func TestUpdatesRaceWithFirings(t *testing.T) {
	bubble(t, 2, func(t *testing.T, c *cluster) {
		n := c.start("one")
		q := n.queue("jobs")
		start := c.now().Add(time.Minute).Truncate(time.Second)
		x := scheduler.Schedule{Name: "every", Expression: "rate(1 minute)", Start: start.UnixMilli(), Target: to(q.ARN(), "<aws.scheduler.scheduled-time>")}
		n.make(x)
		for i := range 20 {
			// Right when it falls due.
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Minute)))
			for k := range 5 {
				x.Description = fmt.Sprint(i, k)
				if err := n.Update(t.Context(), n.group(group), x, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		wait(30 * time.Second)
		var want []string
		for i := range 20 {
			want = append(want, start.Add(time.Duration(i)*time.Minute).UTC().Format("2006-01-02T15:04:05Z"))
		}
		n.wantBodies(q, want...)
		if err := n.Delete(t.Context(), n.group(group), "every"); err != nil {
			t.Fatal(err)
		}
		wait(10 * time.Minute)
		n.wantBodies(q)
	})
}

// Nodes are killed at any moment while schedules fire: each time is fired exactly once.
func TestExactlyOnceThroughKills(t *testing.T) {
	bubble(t, 3, func(t *testing.T, c *cluster) {
		c.catchUp = schedule.CatchUpAll
		nodes := map[string]*node{"one": c.start("one"), "two": c.start("two")}
		q := nodes["one"].queue("jobs")
		start := c.now().Add(30 * time.Second).Truncate(time.Second)
		const schedules, times = 12, 10
		var want []string
		for i := range schedules {
			name := numbered("s", i)
			nodes["one"].make(scheduler.Schedule{
				Name: name, Expression: "rate(1 minute)", Start: start.UnixMilli(), End: start.Add((times - 1) * time.Minute).UnixMilli(),
				Target: to(q.ARN(), name+" <aws.scheduler.scheduled-time>"), DeleteAfter: i%2 == 0,
			})
			for k := range times {
				want = append(want, name+" "+start.Add(time.Duration(k)*time.Minute).UTC().Format("2006-01-02T15:04:05Z"))
			}
		}
		r := rand.New(rand.NewPCG(5, 6))
		for i := range times {
			// Around the moment when they fall due.
			time.Sleep(time.Until(start.Add(time.Duration(i)*time.Minute + time.Duration(r.IntN(6000))*time.Microsecond)))
			name := []string{"one", "two"}[i%2]
			nodes[name].kill()
			time.Sleep(20 * time.Second)
			nodes[name] = c.start(name)
		}
		wait(3 * time.Minute)
		nodes["one"].wantBodies(q, want...)
	})
}

// What fell due while nothing ran is fired by the rule.
func TestCatchUp(t *testing.T) {
	for rule, want := range map[schedule.CatchUp]int{schedule.CatchUpAll: 4, schedule.CatchUpLast: 2, schedule.CatchUpNone: 1} {
		t.Run(string(rule), func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, c *cluster) {
				c.catchUp = rule
				n := c.start("one")
				q := n.queue("jobs")
				start := c.now().Add(10 * time.Minute).Truncate(time.Second)
				n.make(scheduler.Schedule{Name: "hourly", Expression: "rate(1 hour)", Start: start.UnixMilli(), Target: to(q.ARN(), "<aws.scheduler.scheduled-time>")})
				n.make(scheduler.Schedule{Name: "once", Expression: c.at(15 * time.Minute), Target: to(q.ARN(), "once")})
				n.stop()
				c.ahead.Add(int64(2*time.Hour + 30*time.Minute))
				n = c.start("one")
				wait(time.Minute)
				got := n.bodies(q)
				if len(got) != want || !slices.Contains(got, "once") {
					t.Errorf("fired %q", got)
				}
				wait(time.Hour)
				if got := n.bodies(q); len(got) != 1 {
					t.Errorf("after an hour it has fired %q", got)
				}
			})
		})
	}
}
