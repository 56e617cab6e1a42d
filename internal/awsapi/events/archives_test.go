package events

import (
	"strings"
	"testing"
	"time"
)

func TestArchives(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	source := own(c, "default").ARN()
	create := func(in createArchiveInput) error { _, err := e.createArchive(ctx, c, &in); return err }
	wantError(t, create(createArchiveInput{}), "ValidationException", "2 validation errors detected: Value null at 'archiveName' failed to satisfy constraint: Member must not be null; Value null at 'eventSourceArn' failed to satisfy constraint: Member must not be null")
	wantError(t, create(createArchiveInput{ArchiveName: strings.Repeat("a", 49), EventSourceArn: source, RetentionDays: ptr(int32(-1))}), "ValidationException", "2 validation errors detected: Value '…")
	wantError(t, create(createArchiveInput{ArchiveName: "a", EventSourceArn: "arn:aws:sqs:eu-west-1:123456789012:q"}), "ValidationException", "Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.")
	wantError(t, create(createArchiveInput{ArchiveName: "a", EventSourceArn: own(c, "none").ARN()}), "ResourceNotFoundException", "Event bus none does not exist.")
	wantError(t, create(createArchiveInput{ArchiveName: "a", EventSourceArn: own(as(other), "default").ARN()}), "ResourceNotFoundException", "Event bus default does not exist.")
	wantError(t, create(createArchiveInput{ArchiveName: "a", EventSourceArn: source, EventPattern: "{"}), "InvalidEventPatternException", "…")
	wantError(t, create(createArchiveInput{ArchiveName: "a", EventSourceArn: source, Description: "d", EventPattern: `{"source":["shop"]}`, RetentionDays: ptr(int32(7)), KmsKeyIdentifier: "k"}), "", "")
	wantError(t, create(createArchiveInput{ArchiveName: "a", EventSourceArn: source}), "ResourceAlreadyExistsException", "Archive a already exists.")
	if _, err := e.putEvents(ctx, c, &putEventsInput{Entries: []eventEntry{{Source: "shop", DetailType: "paid", Detail: "{}"}}}); err != nil {
		t.Fatal(err)
	}
	got, err := e.describeArchive(ctx, c, &archiveInput{"a"})
	if err != nil || got.ArchiveArn != "arn:aws:events:eu-west-1:123456789012:archive/a" || got.EventSourceArn != source || got.State != "ENABLED" || got.RetentionDays != 7 ||
		got.EventCount != 1 || got.SizeBytes < 100 || got.CreationTime.IsZero() || got.Description != "d" || got.EventPattern == "" || got.KmsKeyIdentifier != "k" {
		t.Errorf("%+v, %v", got, err)
	}
	// What is not given stays.
	if _, err := e.updateArchive(ctx, c, &updateArchiveInput{ArchiveName: "a", RetentionDays: ptr(int32(0)), Description: ptr("")}); err != nil {
		t.Fatal(err)
	}
	if got, err := e.describeArchive(ctx, c, &archiveInput{"a"}); err != nil || got.RetentionDays != 0 || got.Description != "" || got.EventPattern == "" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = e.updateArchive(ctx, c, &updateArchiveInput{ArchiveName: "none"})
	wantError(t, err, "ResourceNotFoundException", "Archive none does not exist.")
	_, err = e.describeArchive(ctx, as(other), &archiveInput{"a"})
	wantError(t, err, "ResourceNotFoundException", "Archive a does not exist.")

	wantError(t, create(createArchiveInput{ArchiveName: "b", EventSourceArn: source}), "", "")
	_, err = e.listArchives(ctx, c, &listArchivesInput{NamePrefix: "a", State: "ENABLED"})
	wantError(t, err, "ValidationException", "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.")
	_, err = e.listArchives(ctx, c, &listArchivesInput{State: "on"})
	wantError(t, err, "ValidationException", "1 validation error detected: Value 'on' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED, CREATING, UPDATING, CREATE_FAILED, UPDATE_FAILED]")
	first, err := e.listArchives(ctx, c, &listArchivesInput{Limit: ptr(int32(1)), EventSourceArn: source})
	if err != nil || len(first.Archives) != 1 || first.Archives[0].ArchiveName != "a" || first.Archives[0].EventCount != 1 || first.NextToken == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	rest, err := e.listArchives(ctx, c, &listArchivesInput{Limit: ptr(int32(1)), EventSourceArn: source, NextToken: first.NextToken})
	if err != nil || len(rest.Archives) != 1 || rest.Archives[0].ArchiveName != "b" || rest.NextToken != "" {
		t.Errorf("%+v, %v", rest, err)
	}
	for in, want := range map[listArchivesInput]int{{NamePrefix: "b"}: 1, {State: "ENABLED"}: 2, {State: "DISABLED"}: 0, {EventSourceArn: "none"}: 0} {
		if out, err := e.listArchives(ctx, c, &in); err != nil || len(out.Archives) != want {
			t.Errorf("%+v: %+v, %v", in, out, err)
		}
	}
	for _, want := range []string{"", "ResourceNotFoundException"} {
		_, err := e.deleteArchive(ctx, c, &archiveInput{"b"})
		wantError(t, err, want, map[string]string{"ResourceNotFoundException": "Archive b does not exist."}[want])
	}
}

func TestReplays(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	source := own(c, "default").ARN()
	q := e.queue(t, "q")
	if _, err := e.createArchive(ctx, c, &createArchiveInput{ArchiveName: "a", EventSourceArn: source}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.createEventBus(ctx, c, &createEventBusInput{Name: "other"}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.putEvents(ctx, c, &putEventsInput{Entries: []eventEntry{{Source: "shop", DetailType: "paid", Detail: "{}"}}}); err != nil {
		t.Fatal(err)
	}
	e.rule(t, "", "r", `{"source":["shop"]}`, q)
	rule := ruleARN(own(c, "default"), "r")
	good := func() *startReplayInput {
		return &startReplayInput{
			ReplayName: "again", Description: "d", EventSourceArn: ownARN(c, "archive", "a"), EventStartTime: time.Now().Add(-time.Hour), EventEndTime: time.Now().Add(time.Hour),
			Destination: &replayDestination{Arn: source, FilterArns: []string{rule}},
		}
	}
	for _, tt := range []struct {
		change        func(*startReplayInput)
		code, message string
	}{
		{func(in *startReplayInput) { *in = startReplayInput{} }, "ValidationException", "5 validation errors detected: …"},
		{func(in *startReplayInput) { in.Destination.Arn = "x" }, "ValidationException", "Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN."},
		{func(in *startReplayInput) { in.Destination.Arn = own(c, "other").ARN() }, "ValidationException", "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."},
		{func(in *startReplayInput) { in.EventSourceArn = ownARN(c, "archive", "none") }, "ValidationException", "Parameter EventSourceArn is not valid. Reason: Archive none does not exist."},
		{func(in *startReplayInput) { in.EventSourceArn = source }, "ValidationException", "Parameter EventSourceArn is not valid. Reason: Must contain …"},
		{func(in *startReplayInput) { in.EventEndTime = in.EventStartTime }, "ValidationException", "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."},
		{func(in *startReplayInput) { in.Destination.FilterArns = []string{q.ARN()} }, "ValidationException", "Parameter Destination.FilterArns is not valid. Reason: number 1 is not …"},
		{func(in *startReplayInput) { in.Destination.FilterArns = []string{ruleARN(own(c, "default"), "none")} }, "ResourceNotFoundException", "Rule none does not exist on EventBus default."},
		{func(in *startReplayInput) { in.Destination.FilterArns = make([]string, 301) }, "ValidationException", "1 validation error detected: …"},
	} {
		in := good()
		tt.change(in)
		_, err := e.startReplay(ctx, c, in)
		wantError(t, err, tt.code, tt.message)
	}
	started, err := e.startReplay(ctx, c, good())
	if err != nil || started.ReplayArn != ownARN(c, "replay", "again") || started.State != "STARTING" || started.ReplayStartTime.IsZero() {
		t.Fatalf("%+v, %v", started, err)
	}
	_, err = e.startReplay(ctx, c, good())
	wantError(t, err, "ResourceAlreadyExistsException", "Replay again already exists.")
	var got *describeReplayOutput
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if got, err = e.describeReplay(ctx, c, &replayInput{"again"}); err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", got, err)
		}
		if got.State == "COMPLETED" {
			break
		}
	}
	if got.EventLastReplayedTime.IsZero() || got.ReplayEndTime.IsZero() || got.Destination.FilterArns[0] != rule || got.EventSourceArn != ownARN(c, "archive", "a") || got.Description != "d" {
		t.Errorf("%+v", got)
	}
	if list := e.bodies(t, q); len(list) != 1 || !strings.Contains(list[0], `,"replay-name":"again","detail":{}}`) {
		t.Errorf("%v", list)
	}
	_, err = e.cancelReplay(ctx, c, &replayInput{"again"})
	wantError(t, err, "IllegalStatusException", "Replay again is not in a valid state for this operation.")
	_, err = e.cancelReplay(ctx, c, &replayInput{"none"})
	wantError(t, err, "ResourceNotFoundException", "Replay none does not exist.")
	_, err = e.listReplays(ctx, c, &listReplaysInput{NamePrefix: "a", State: "FAILED"})
	wantError(t, err, "ValidationException", "At most one filter is allowed for ListReplays. Use either : State, EventSourceArn, or NamePrefix.")
	for in, want := range map[listReplaysInput]int{{}: 1, {NamePrefix: "b"}: 0, {State: "COMPLETED"}: 1, {EventSourceArn: ownARN(c, "archive", "a")}: 1, {EventSourceArn: "x"}: 0} {
		if out, err := e.listReplays(ctx, c, &in); err != nil || len(out.Replays) != want {
			t.Errorf("%+v: %+v, %v", in, out, err)
		}
	}
}
