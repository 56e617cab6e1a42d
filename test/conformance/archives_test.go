package conformance

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/waystation/waystation/test/harness"
)

// replayState waits until a replay is in a state.
func replayState(t testing.TB, c *eventbridge.Client, name string, want types.ReplayState) *eventbridge.DescribeReplayOutput {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		out, err := c.DescribeReplay(bound(t), &eventbridge.DescribeReplayInput{ReplayName: &name})
		if err != nil {
			t.Fatalf("DescribeReplay: %v", err)
		}
		if out.State == want {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("replay %s is %s, want %s", name, out.State, want)
		}
	}
}

// What is archived survives kill -9, and is replayed to the rules that the replay names.
func TestArchiveAndReplay(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "2"}})
	c, s := buses(server.URL(), harness.Key, harness.Secret), harness.SQS(server.URL())
	bus, busARN := newBus(t, c)
	made, err := c.CreateArchive(bound(t), &eventbridge.CreateArchiveInput{
		ArchiveName: aws.String("all"), EventSourceArn: &busARN, Description: aws.String("d"), RetentionDays: aws.Int32(3),
		EventPattern: aws.String(`{"detail":{"n":[{"numeric":[">=",1]}]}}`),
	})
	if err != nil || made.State != types.ArchiveStateEnabled || made.CreationTime == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	const events = 30
	for i := 0; i <= events; i += 10 {
		var list []types.PutEventsRequestEntry
		for n := i; n < min(i+10, events+1); n++ {
			list = append(list, anEvent(bus, fmt.Sprintf(`{"n":%d}`, n)))
		}
		putEvents(t, c, list...)
	}
	server.Kill()
	if err := errors.Join(server.Again(), server.WaitReady()); err != nil {
		t.Fatal(err)
	}
	var is *eventbridge.DescribeArchiveOutput
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if is, err = c.DescribeArchive(bound(t), &eventbridge.DescribeArchiveInput{ArchiveName: aws.String("all")}); err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", is, err)
		}
		if is.EventCount == events {
			break
		}
	}
	if *is.ArchiveArn != *made.ArchiveArn || *is.EventSourceArn != busARN || *is.RetentionDays != 3 || is.SizeBytes < events*100 {
		t.Errorf("%+v", is)
	}
	wanted, other := queue(t, s, nil), queue(t, s, nil)
	rule := newRule(t, c, bus, "wanted", `{"source":["shop"]}`, types.Target{Arn: aws.String(arn(t, s, wanted))})
	newRule(t, c, bus, "other", `{"source":["shop"]}`, types.Target{Arn: aws.String(arn(t, s, other))})
	in := &eventbridge.StartReplayInput{
		ReplayName: aws.String("again"), EventSourceArn: made.ArchiveArn, EventStartTime: aws.Time(time.Now().Add(-time.Hour)), EventEndTime: aws.Time(time.Now().Add(time.Hour)),
		Destination: &types.ReplayDestination{Arn: &busARN, FilterArns: []string{rule}},
	}
	started, err := c.StartReplay(bound(t), in)
	if err != nil || started.State != types.ReplayStateStarting {
		t.Fatalf("%+v, %v", started, err)
	}
	_, err = c.StartReplay(bound(t), in)
	wantCode(t, err, "ResourceAlreadyExistsException")
	end := replayState(t, c, "again", types.ReplayStateCompleted)
	if end.EventLastReplayedTime == nil || end.ReplayEndTime == nil || *end.ReplayArn != *started.ReplayArn || end.Destination.FilterArns[0] != rule {
		t.Errorf("%+v", end)
	}
	for range events {
		if m := one(t, s, wanted); !strings.Contains(*m.Body, `"replay-name":"again"`) {
			t.Errorf("replayed: %s", *m.Body)
		}
	}
	none(t, s, wanted)
	none(t, s, other)
	_, err = c.CancelReplay(bound(t), &eventbridge.CancelReplayInput{ReplayName: aws.String("again")})
	wantCode(t, err, "IllegalStatusException")
	if list, err := c.ListReplays(bound(t), &eventbridge.ListReplaysInput{State: types.ReplayStateCompleted}); err != nil || len(list.Replays) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	// What was replayed is not archived again.
	if is, err := c.DescribeArchive(bound(t), &eventbridge.DescribeArchiveInput{ArchiveName: aws.String("all")}); err != nil || is.EventCount != events {
		t.Errorf("%+v, %v", is, err)
	}
	if _, err := c.UpdateArchive(bound(t), &eventbridge.UpdateArchiveInput{ArchiveName: aws.String("all"), RetentionDays: aws.Int32(0)}); err != nil {
		t.Error(err)
	}
	if list, err := c.ListArchives(bound(t), &eventbridge.ListArchivesInput{EventSourceArn: &busARN}); err != nil || len(list.Archives) != 1 || *list.Archives[0].RetentionDays != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := c.DeleteArchive(bound(t), &eventbridge.DeleteArchiveInput{ArchiveName: aws.String("all")}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeArchive(bound(t), &eventbridge.DescribeArchiveInput{ArchiveName: aws.String("all")})
	wantCode(t, err, "ResourceNotFoundException")
}
