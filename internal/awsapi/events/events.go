package events

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
)

// putEvents puts up to ten events on buses.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
func (s *service) putEvents(ctx context.Context, c *protocol.Call, in *putEventsInput) (*putEventsOutput, error) {
	if in.EndpointId != "" {
		return nil, badParameter("EndpointId", "endpoints are not supported yet.")
	}
	var v problems
	checkCount(&v, "entries", len(in.Entries), maxEntries)
	if err := v.error(); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += in.Entries[i].size()
	}
	if total > maxEventBytes {
		return nil, invalid("Total size of the entries in the request is over the limit.")
	}
	out := &putEventsOutput{Entries: make([]putEventsEntry, len(in.Entries))}
	fail := func(i int, code, msg string) {
		out.FailedEntryCount++
		out.Entries[i] = putEventsEntry{ErrorCode: code, ErrorMessage: msg}
	}
	var events []bus.Addressed
	var at []int
	for i := range in.Entries {
		e, err := s.event(ctx, c, &in.Entries[i], "entries."+strconv.Itoa(i+1)+".member.")
		var refused entryError
		switch {
		case errors.As(err, &refused):
			fail(i, refused.code, refused.message)
		case err != nil:
			return nil, err
		default:
			events, at = append(events, e), append(at, i)
		}
	}
	var later error
	for k, r := range s.buses.Put(ctx, events) {
		switch i := at[k]; {
		case r.Err == nil:
			out.Entries[i].EventId = r.ID.String()
		case errors.Is(r.Err, bus.ErrEvent):
			fail(i, "MalformedDetail", "Detail is nested too deeply, or its arrays have too many combinations of values to be matched against the rules.")
		case errors.Is(r.Err, partition.ErrTooLarge):
			fail(i, "InvalidArgument", "Parameter Detail is not valid. Reason: the event is larger than the server's log takes at once.")
		case unavailable(r.Err):
			later = r.Err
			fail(i, "InternalFailure", "The event cannot be stored for the moment. Please try again.")
		default:
			s.log.LogAttrs(ctx, slog.LevelError, "an event could not be put", slog.String(logkey.API, "events"),
				slog.String(logkey.Request, c.RequestID), slog.Any(logkey.Error, r.Err))
			fail(i, "InternalFailure", protocol.InternalFailure().Message)
		}
	}
	if later != nil && int(out.FailedEntryCount) == len(in.Entries) {
		return nil, tryAgain(later)
	}
	return out, nil
}

// tryAgain is the answer when nothing could be stored.
func tryAgain(err error) error {
	if errors.Is(err, partition.ErrFull) {
		return protocol.Unavailable("The server's storage is full: events are taken again once space is free.")
	}
	return protocol.Unavailable("The queues of the targets are not available for the moment. Please try again.")
}

// size is what counts towards the limit of a request, in bytes.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
func (e *eventEntry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if !e.Time.IsZero() {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// entryError is how one entry fails.
type entryError struct{ code, message string }

func (e entryError) Error() string { return e.code + ": " + e.message }

func required(name string) error {
	return argument(name, name+" is a required argument.")
}

func argument(name, reason string) error {
	return entryError{"InvalidArgument", "Parameter " + name + " is not valid. Reason: " + reason}
}

// event checks an entry, whose members errors name behind at. The error is an
// entryError, or refuses the request.
func (s *service) event(ctx context.Context, c *protocol.Call, e *eventEntry, at string) (a bus.Addressed, err error) {
	var v problems
	r := busName(&v, c, at+"eventBusName", e.EventBusName)
	for _, resource := range e.Resources {
		if utf8.RuneCountInString(resource) > maxResource {
			v.Add(at+"resources", resource, "have length less than or equal to "+strconv.Itoa(maxResource))
		}
	}
	if e.TraceHeader != "" {
		v.Length(at+"traceHeader", e.TraceHeader, 1, maxTrace)
	}
	if err := v.error(); err != nil {
		return a, err
	}
	b, err := s.find(ctx, c, r, "events:PutEvents", "", func(known access.Context) {
		known.Set("events:source", e.Source)
		known.Set("events:detail-type", e.DetailType)
	})
	var shown *protocol.Error
	if errors.As(err, &shown) && shown.Is(noBus("")) {
		return a, argument("EventBusName", shown.Message)
	}
	if err != nil {
		return a, err
	}
	if err := e.check(); err != nil {
		return a, err
	}
	return bus.Addressed{Bus: b, Event: bus.Event{
		Account: c.Account, Region: r.Region, Source: e.Source, DetailType: e.DetailType, Detail: e.Detail,
		Resources: e.Resources, Time: e.Time, Trace: e.TraceHeader,
	}}, nil
}

// check checks what makes an entry fail by itself.
func (e *eventEntry) check() error {
	switch {
	case e.Source == "":
		return required("Source")
	case e.DetailType == "":
		return required("DetailType")
	case e.Detail == "":
		return required("Detail")
	case utf8.RuneCountInString(e.Source) > maxSource:
		return argument("Source", "it has at most 256 characters.")
	case utf8.RuneCountInString(e.DetailType) > maxDetailType:
		return argument("DetailType", "it has at most 128 characters.")
	case registry.ReservedSource(e.Source):
		return entryError{"NotAuthorizedForSourceException", "Not authorized for the source."}
	case bad(e.TraceHeader):
		return argument("TraceHeader", "it has a character that a message cannot contain.")
	case !isObject(e.Detail):
		return entryError{"MalformedDetail", "Detail is malformed."}
	}
	return nil
}

// isObject reports whether s is a JSON object.
func isObject(s string) bool {
	return strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{") && json.Valid([]byte(s))
}

// eventFields are what TestEventPattern wants of an event.
var eventFields = []string{"id", "account", "source", "time", "region", "resources", "detail-type"}

// testEventPattern matches an event against a pattern.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html
func (s *service) testEventPattern(_ context.Context, c *protocol.Call, in *testEventPatternInput) (*testEventPatternOutput, error) {
	var v problems
	v.Length("eventPattern", in.EventPattern, 1, maxPattern)
	v.Length("event", in.Event, 1, maxEventBytes)
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:TestEventPattern", "*"); err != nil {
		return nil, err
	}
	p, err := pattern.Compile(pattern.Events, []byte(in.EventPattern))
	if err != nil {
		return nil, failure(err)
	}
	var event map[string]json.RawMessage
	if !isObject(in.Event) || json.Unmarshal([]byte(in.Event), &event) != nil {
		return nil, badParameter("Event", "it is not a JSON object.")
	}
	for _, name := range eventFields {
		if _, ok := event[name]; !ok {
			return nil, badParameter("Event", "it has no "+name+".")
		}
	}
	matched, err := p.Match([]byte(in.Event))
	if err != nil {
		return nil, badParameter("Event", "it is nested too deeply, or its arrays have too many combinations of values.")
	}
	return &testEventPatternOutput{matched}, nil
}
