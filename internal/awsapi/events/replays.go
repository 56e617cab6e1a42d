package events

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

type replayDestination struct {
	Arn        string
	FilterArns []string
}

type startReplayInput struct {
	ReplayName     string
	Description    string
	EventSourceArn string
	EventStartTime time.Time
	EventEndTime   time.Time
	Destination    *replayDestination
}

type startReplayOutput struct {
	ReplayArn       string
	State           string
	StateReason     string
	ReplayStartTime time.Time
}

type replayInput struct{ ReplayName string }

type cancelReplayOutput struct {
	ReplayArn   string
	State       string
	StateReason string
}

type describeReplayOutput struct {
	ReplayName            string
	ReplayArn             string
	Description           string
	State                 string
	StateReason           string
	EventSourceArn        string
	Destination           *replayDestination
	EventStartTime        time.Time
	EventEndTime          time.Time
	EventLastReplayedTime time.Time
	ReplayStartTime       time.Time
	ReplayEndTime         time.Time
}

type listReplaysInput struct {
	NamePrefix     string
	State          string
	EventSourceArn string
	NextToken      string
	Limit          *int32
}

type replay struct {
	ReplayName            string
	EventSourceArn        string
	State                 string
	StateReason           string
	EventStartTime        time.Time
	EventEndTime          time.Time
	EventLastReplayedTime time.Time
	ReplayStartTime       time.Time
	ReplayEndTime         time.Time
}

type listReplaysOutput struct {
	Replays   []replay `aws:",keep"`
	NextToken string
}

const (
	maxReplayName = 64
	maxFilters    = 300
)

var replayStates = []string{
	registry.ReplayStarting, registry.ReplayRunning, registry.ReplayCancelling, registry.ReplayCompleted, registry.ReplayCancelled, registry.ReplayFailed,
}

// replayFailure is failure for what is about a replay.
func replayFailure(err error, name string) error {
	switch {
	case errors.Is(err, bus.ErrNoReplay):
		return &protocol.Error{Code: "ResourceNotFoundException", Message: "Replay " + echo(name) + " does not exist."}
	case errors.Is(err, bus.ErrReplayExists):
		return &protocol.Error{Code: "ResourceAlreadyExistsException", Message: "Replay " + name + " already exists."}
	case errors.Is(err, bus.ErrReplays):
		return overLimit()
	case errors.Is(err, bus.ErrReplayEnded):
		return &protocol.Error{Code: "IllegalStatusException", Message: "Replay " + echo(name) + " is not in a valid state for this operation."}
	}
	return failure(err)
}

// millis is a stored time; 0: none.
func millis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// startReplay has events of an archive put on its bus again.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_StartReplay.html
func (s *service) startReplay(ctx context.Context, c *protocol.Call, in *startReplayInput) (*startReplayOutput, error) {
	var v problems
	replayName(&v, in.ReplayName)
	if in.Description != "" {
		v.Length("description", in.Description, 0, maxDescription)
	}
	v.Length("eventSourceArn", in.EventSourceArn, 1, maxARN)
	if in.EventStartTime.IsZero() {
		v.Add("eventStartTime", "", "not be null")
	}
	if in.EventEndTime.IsZero() {
		v.Add("eventEndTime", "", "not be null")
	}
	if in.Destination == nil {
		v.Add("destination", "", "not be null")
	} else {
		v.Length("destination.arn", in.Destination.Arn, 1, maxARN)
		checkFilters(&v, len(in.Destination.FilterArns))
	}
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:StartReplay", ownARN(c, "replay", in.ReplayName)); err != nil {
		return nil, err
	}
	to, ok := registry.ParseARN(in.Destination.Arn)
	if !ok || to.Kind != "bus" {
		return nil, badParameter("Destination.Arn", "Must contain an event bus ARN.")
	}
	source, ok := registry.ParseARN(in.EventSourceArn)
	if !ok || source.Kind != "archive" || source.Account != c.Account || source.Region != c.Region {
		return nil, badParameter("EventSourceArn", "Must contain the ARN of an archive of this account and region.")
	}
	a, err := s.buses.Archive(ctx, source.Account, source.Region, source.Name)
	if errors.Is(err, bus.ErrNoArchive) {
		return nil, badParameter("EventSourceArn", "Archive "+source.Name+" does not exist.")
	}
	if err != nil {
		return nil, archiveFailure(err, source.Name)
	}
	b, err := s.buses.Find(ctx, a.Account, a.Region, a.BusName)
	if err != nil {
		return nil, busFailure(err, a.BusName)
	}
	if in.Destination.Arn != a.BusARN() {
		return nil, badParameter("Destination.Arn", "Cross event bus replay is not permitted.")
	}
	if !in.EventStartTime.Before(in.EventEndTime) {
		return nil, badParameter("EventEndTime", "EventStartTime must be before EventEndTime.")
	}
	if err := s.checkReplayed(ctx, b, in.Destination.FilterArns); err != nil {
		return nil, err
	}
	made, err := s.buses.StartReplay(ctx, a, in.ReplayName, registry.Replay{
		Description: in.Description, From: in.EventStartTime.UnixMilli(), To: in.EventEndTime.UnixMilli(), Rules: in.Destination.FilterArns,
	})
	if err != nil {
		return nil, replayFailure(err, in.ReplayName)
	}
	return &startReplayOutput{made.ARN(), made.State, made.Reason, millis(made.Started)}, nil
}

// checkReplayed checks that ARNs are those of rules of a bus.
func (s *service) checkReplayed(ctx context.Context, b *registry.Bus, arns []string) error {
	for i, arn := range arns {
		r, ok := registry.ParseARN(arn)
		rule := registry.Rule{Meta: registry.Meta{Name: r.Name}}
		on, name := rule.Parts()
		if !ok || r.Kind != "rule" || r.Account != b.Account || r.Region != b.Region || on != b.Name {
			return badParameter("Destination.FilterArns", "number "+strconv.Itoa(i+1)+" is not the ARN of a rule of the event bus.")
		}
		if _, err := s.buses.Rule(ctx, b, name); err != nil {
			return ruleFailure(err, b, name)
		}
	}
	return nil
}

func replayName(v *problems, name string) {
	v.Pattern("replayName", name, 1, maxReplayName, namePattern, ".-")
}

// ofReplay finds a replay on which the caller may do action.
func (s *service) ofReplay(ctx context.Context, c *protocol.Call, name, action string) (*registry.Replay, error) {
	var v problems
	replayName(&v, name)
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, action, ownARN(c, "replay", name)); err != nil {
		return nil, err
	}
	r, err := s.buses.Replay(ctx, c.Account, c.Region, name)
	return r, replayFailure(err, name)
}

func (s *service) cancelReplay(ctx context.Context, c *protocol.Call, in *replayInput) (*cancelReplayOutput, error) {
	r, err := s.ofReplay(ctx, c, in.ReplayName, "events:CancelReplay")
	if err != nil {
		return nil, err
	}
	now, err := s.buses.CancelReplay(ctx, r)
	if err != nil {
		return nil, replayFailure(err, in.ReplayName)
	}
	return &cancelReplayOutput{now.ARN(), now.State, now.Reason}, nil
}

func (s *service) describeReplay(ctx context.Context, c *protocol.Call, in *replayInput) (*describeReplayOutput, error) {
	r, err := s.ofReplay(ctx, c, in.ReplayName, "events:DescribeReplay")
	if err != nil {
		return nil, err
	}
	return &describeReplayOutput{
		ReplayName: r.Name, ReplayArn: r.ARN(), Description: r.Description, State: r.State, StateReason: r.Reason, EventSourceArn: r.ArchiveARN,
		Destination: &replayDestination{r.BusARN, r.Rules}, EventStartTime: time.UnixMilli(r.From).UTC(), EventEndTime: time.UnixMilli(r.To).UTC(),
		EventLastReplayedTime: millis(r.Last), ReplayStartTime: millis(r.Started), ReplayEndTime: millis(r.Ended),
	}, nil
}

func (s *service) listReplays(ctx context.Context, c *protocol.Call, in *listReplaysInput) (*listReplaysOutput, error) {
	l, err := s.filtered(ctx, c, "replay", "ListReplays", maxReplayName, replayStates, in.Limit, in.NextToken, filters{in.NamePrefix, in.EventSourceArn, in.State})
	if err != nil {
		return nil, err
	}
	list, more := s.buses.Replays(c.Account, c.Region, in.NamePrefix, l.after, l.limit, func(r *registry.Replay) bool {
		return (in.EventSourceArn == "" || r.ArchiveARN == in.EventSourceArn) && (in.State == "" || r.State == in.State)
	})
	out := &listReplaysOutput{Replays: make([]replay, len(list))}
	for i, r := range list {
		out.Replays[i] = replay{
			ReplayName: r.Name, EventSourceArn: r.ArchiveARN, State: r.State, StateReason: r.Reason,
			EventStartTime: time.UnixMilli(r.From).UTC(), EventEndTime: time.UnixMilli(r.To).UTC(),
			EventLastReplayedTime: millis(r.Last), ReplayStartTime: millis(r.Started), ReplayEndTime: millis(r.Ended),
		}
		l.after = r.Name
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}
