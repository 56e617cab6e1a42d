package events

import (
	"strings"
	"testing"
)

func TestPutEvents(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	q := e.queue(t, "q")
	e.rule(t, "", "r", `{"source":["shop"]}`, q)
	good := eventEntry{Source: "shop", DetailType: "paid", Detail: ` {"a": 1}`, Resources: []string{"r"}}
	with := func(change func(*eventEntry)) eventEntry {
		x := good
		change(&x)
		return x
	}
	out, err := e.putEvents(ctx, c, &putEventsInput{Entries: []eventEntry{
		good,
		with(func(x *eventEntry) { x.Source = "" }),
		with(func(x *eventEntry) { x.DetailType = "" }),
		with(func(x *eventEntry) { x.Detail = "" }),
		with(func(x *eventEntry) { x.Detail = "{" }),
		with(func(x *eventEntry) { x.Detail = "[]" }),
		with(func(x *eventEntry) { x.Source = "aws.s3" }),
		with(func(x *eventEntry) { x.EventBusName = "none" }),
		with(func(x *eventEntry) { x.DetailType = strings.Repeat("x", 129) }),
		with(func(x *eventEntry) { x.Detail = `{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}` }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{"", "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail", "MalformedDetail",
		"NotAuthorizedForSourceException", "InvalidArgument", "InvalidArgument", "MalformedDetail"}
	for i, r := range out.Entries {
		if r.ErrorCode != codes[i] || (r.EventId == "") != (codes[i] != "") || (r.ErrorMessage == "") != (codes[i] == "") {
			t.Errorf("entry %d: %+v, want %s", i, r, codes[i])
		}
	}
	if out.FailedEntryCount != 9 || out.Entries[1].ErrorMessage != "Parameter Source is not valid. Reason: Source is a required argument." {
		t.Errorf("%+v", out)
	}
	if got := e.bodies(t, q); len(got) != 1 || !strings.Contains(got[0], `"id":"`+out.Entries[0].EventId+`"`) || !strings.HasSuffix(got[0], `"resources":["r"],"detail":{"a":1}}`) {
		t.Errorf("the queue has %q", got)
	}
	for _, tt := range []struct {
		in      putEventsInput
		message string
	}{
		{putEventsInput{}, "1 validation error detected: Value null at 'entries'…"},
		{putEventsInput{Entries: make([]eventEntry, 11)}, "1 validation error detected: Value '11 elements' at 'entries'…"},
		{putEventsInput{Entries: []eventEntry{good}, EndpointId: "a.b"}, "Parameter EndpointId is not valid…"},
		{putEventsInput{Entries: []eventEntry{good, with(func(x *eventEntry) { x.Detail = `{"a":"` + strings.Repeat("x", 1<<20) + `"}` })}},
			"Total size of the entries in the request is over the limit."},
		{putEventsInput{Entries: []eventEntry{with(func(x *eventEntry) { x.EventBusName = "a/b" })}}, "1 validation error detected: Value 'a/b' at 'entries.1.member.eventBusName'…"},
		{putEventsInput{Entries: []eventEntry{with(func(x *eventEntry) { x.Resources = []string{strings.Repeat("x", 2049)} })}}, "1 validation error…"},
	} {
		_, err := e.putEvents(ctx, c, &tt.in)
		wantError(t, err, "ValidationException", tt.message)
	}
}

func TestTestEventPattern(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	const event = `{"id":"1","account":"a","source":"shop","time":"t","region":"r","resources":[],"detail-type":"paid","detail":{"n":1}}`
	for _, tt := range []struct {
		pattern, event string
		want           bool
		code, message  string
	}{
		{`{"source":["shop"]}`, event, true, "", ""},
		{`{"source":["other"]}`, event, false, "", ""},
		{`{"source":"shop"}`, event, false, "InvalidEventPatternException", "Event pattern is not valid. Reason: …"},
		{`{"source":["shop"]}`, `{"source":"shop"}`, false, "ValidationException", "Parameter Event is not valid. Reason: it has no id."},
		{`{"source":["shop"]}`, `[]`, false, "ValidationException", "Parameter Event is not valid. Reason: it is not a JSON object."},
		{``, event, false, "ValidationException", "1 validation error…"},
	} {
		out, err := e.testEventPattern(ctx, c, &testEventPatternInput{tt.pattern, tt.event})
		if wantError(t, err, tt.code, tt.message); err == nil && out.Result != tt.want {
			t.Errorf("%s: %v", tt.pattern, out.Result)
		}
	}
}

// An event that the log does not take is the caller's mistake, not the server's.
func TestEventTooLargeForTheLog(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.rule(t, "", "r", `{"source":["shop"]}`, e.queue(t, "q"))
	e.tooLarge.Store(true)
	out, err := e.putEvents(t.Context(), as(account), &putEventsInput{Entries: []eventEntry{{Source: "shop", DetailType: "paid", Detail: "{}"}}})
	if err != nil || out.FailedEntryCount != 1 || out.Entries[0].ErrorCode != "InvalidArgument" {
		t.Errorf("%+v, %v", out, err)
	}
}
