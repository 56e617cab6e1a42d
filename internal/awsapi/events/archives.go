package events

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
)

type createArchiveInput struct {
	ArchiveName      string
	EventSourceArn   string
	Description      string
	EventPattern     string
	RetentionDays    *int32
	KmsKeyIdentifier string
}

type updateArchiveInput struct {
	ArchiveName      string
	Description      *string
	EventPattern     *string
	RetentionDays    *int32
	KmsKeyIdentifier *string
}

type archiveStateOutput struct {
	ArchiveArn   string
	State        string
	CreationTime time.Time
}

type archiveInput struct{ ArchiveName string }

type describeArchiveOutput struct {
	ArchiveArn       string
	ArchiveName      string
	EventSourceArn   string
	Description      string
	EventPattern     string
	State            string
	KmsKeyIdentifier string
	RetentionDays    int32 `aws:",keep"`
	SizeBytes        int64 `aws:",keep"`
	EventCount       int64 `aws:",keep"`
	CreationTime     time.Time
}

type listArchivesInput struct {
	NamePrefix     string
	EventSourceArn string
	State          string
	NextToken      string
	Limit          *int32
}

type archive struct {
	ArchiveName    string
	EventSourceArn string
	State          string
	RetentionDays  int32 `aws:",keep"`
	SizeBytes      int64 `aws:",keep"`
	EventCount     int64 `aws:",keep"`
	CreationTime   time.Time
}

type listArchivesOutput struct {
	Archives  []archive `aws:",keep"`
	NextToken string
}

const (
	maxArchiveName = 48
	// maxRetentionDays is some 2.9 million years, where the service's number ends.
	maxRetentionDays = 1<<31 - 1
)

// archiveStates are those that the API knows; archives are ENABLED at once.
var archiveStates = []string{enabled, disabled, "CREATING", "UPDATING", "CREATE_FAILED", "UPDATE_FAILED"}

func noArchive(name string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Message: "Archive " + echo(name) + " does not exist."}
}

// archiveFailure is failure for what is about an archive.
func archiveFailure(err error, name string) error {
	switch {
	case errors.Is(err, bus.ErrNoArchive):
		return noArchive(name)
	case errors.Is(err, bus.ErrArchiveExists):
		return &protocol.Error{Code: "ResourceAlreadyExistsException", Message: "Archive " + name + " already exists."}
	case errors.Is(err, bus.ErrArchives):
		return overLimit()
	case unavailable(err):
		return protocol.Unavailable("The archive cannot be read for the moment. Please try again.")
	}
	return failure(err)
}

// ownARN is the ARN of a resource of the caller's.
func ownARN(c *protocol.Call, kind, name string) string {
	return registry.Resource{Kind: kind, Account: c.Account, Region: c.Region, Name: name}.ARN()
}

func archiveName(v *problems, name string) {
	v.Pattern("archiveName", name, 1, maxArchiveName, namePattern, ".-")
}

// checkArchive checks what an archive can be given when it is made and later.
func checkArchive(v *problems, description, eventPattern, key string, retention *int32) {
	if description != "" {
		v.Length("description", description, 0, maxDescription)
	}
	if eventPattern != "" {
		v.Length("eventPattern", eventPattern, 0, maxPattern)
	}
	if key != "" {
		v.Pattern("kmsKeyIdentifier", key, 0, maxKey, `^[a-zA-Z0-9_\-/:]*$`, "-/:")
	}
	v.Range("retentionDays", retention, 0, maxRetentionDays)
}

// checkPattern refuses a pattern that cannot be; "" is none.
func checkPattern(p string) error {
	if p == "" {
		return nil
	}
	_, err := pattern.Compile(pattern.Events, []byte(p))
	return failure(err)
}

func days(n *int32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

// sourceBus is the bus of the caller's that an archive or a replay names.
func (s *service) sourceBus(ctx context.Context, c *protocol.Call, arn string) (*registry.Bus, error) {
	r, ok := registry.ParseARN(arn)
	if !ok || r.Kind != "bus" {
		return nil, badParameter("EventSourceArn", "Must contain an event bus ARN.")
	}
	if r.Account != c.Account || r.Region != c.Region {
		return nil, noBus(r.Name)
	}
	b, err := s.buses.Find(ctx, r.Account, r.Region, r.Name)
	return b, busFailure(err, r.Name)
}

// createArchive makes an archive.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateArchive.html
func (s *service) createArchive(ctx context.Context, c *protocol.Call, in *createArchiveInput) (*archiveStateOutput, error) {
	var v problems
	archiveName(&v, in.ArchiveName)
	v.Length("eventSourceArn", in.EventSourceArn, 1, maxARN)
	checkArchive(&v, in.Description, in.EventPattern, in.KmsKeyIdentifier, in.RetentionDays)
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:CreateArchive", ownARN(c, "archive", in.ArchiveName)); err != nil {
		return nil, err
	}
	b, err := s.sourceBus(ctx, c, in.EventSourceArn)
	if err != nil {
		return nil, err
	}
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	made, err := s.buses.CreateArchive(ctx, b, in.ArchiveName, registry.Archive{
		Description: in.Description, Pattern: in.EventPattern, RetentionDays: days(in.RetentionDays), KMSKeyID: in.KmsKeyIdentifier,
	})
	if errors.Is(err, bus.ErrNoBus) {
		return nil, noBus(b.Name)
	}
	if err != nil {
		return nil, archiveFailure(err, in.ArchiveName)
	}
	return &archiveStateOutput{made.ARN(), enabled, moment(made.Created)}, nil
}

// ofArchive finds an archive on which the caller may do action.
func (s *service) ofArchive(ctx context.Context, c *protocol.Call, v *problems, name, action string) (*registry.Archive, error) {
	archiveName(v, name)
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, action, ownARN(c, "archive", name)); err != nil {
		return nil, err
	}
	a, err := s.buses.Archive(ctx, c.Account, c.Region, name)
	return a, archiveFailure(err, name)
}

// updateArchive changes what is given of an archive.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateArchive.html
func (s *service) updateArchive(ctx context.Context, c *protocol.Call, in *updateArchiveInput) (*archiveStateOutput, error) {
	var v problems
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	checkArchive(&v, text(in.Description), text(in.EventPattern), text(in.KmsKeyIdentifier), in.RetentionDays)
	a, err := s.ofArchive(ctx, c, &v, in.ArchiveName, "events:UpdateArchive")
	if err != nil {
		return nil, err
	}
	if err := checkPattern(text(in.EventPattern)); err != nil {
		return nil, err
	}
	now, err := s.buses.UpdateArchive(ctx, a, func(a *registry.Archive) error {
		for _, x := range []struct{ to, from *string }{{&a.Description, in.Description}, {&a.Pattern, in.EventPattern}, {&a.KMSKeyID, in.KmsKeyIdentifier}} {
			if x.from != nil {
				*x.to = *x.from
			}
		}
		if in.RetentionDays != nil {
			a.RetentionDays = int(*in.RetentionDays)
		}
		return nil
	})
	if err != nil {
		return nil, archiveFailure(err, in.ArchiveName)
	}
	return &archiveStateOutput{now.ARN(), enabled, moment(now.Created)}, nil
}

func (s *service) deleteArchive(ctx context.Context, c *protocol.Call, in *archiveInput) (*protocol.Empty, error) {
	a, err := s.ofArchive(ctx, c, &problems{}, in.ArchiveName, "events:DeleteArchive")
	if err != nil {
		return nil, err
	}
	return nil, archiveFailure(s.buses.DeleteArchive(ctx, a), in.ArchiveName)
}

func (s *service) describeArchive(ctx context.Context, c *protocol.Call, in *archiveInput) (*describeArchiveOutput, error) {
	a, err := s.ofArchive(ctx, c, &problems{}, in.ArchiveName, "events:DescribeArchive")
	if err != nil {
		return nil, err
	}
	size, err := s.buses.SizeOf(ctx, a)
	if err != nil {
		return nil, archiveFailure(err, in.ArchiveName)
	}
	return &describeArchiveOutput{
		ArchiveArn: a.ARN(), ArchiveName: a.Name, EventSourceArn: a.BusARN(), Description: a.Description, EventPattern: a.Pattern,
		State: enabled, KmsKeyIdentifier: a.KMSKeyID, RetentionDays: int32(a.RetentionDays), SizeBytes: size.Bytes, EventCount: size.Events,
		CreationTime: moment(a.Created),
	}, nil
}

func (s *service) listArchives(ctx context.Context, c *protocol.Call, in *listArchivesInput) (*listArchivesOutput, error) {
	l, err := s.filtered(ctx, c, "archive", "ListArchives", maxArchiveName, archiveStates, in.Limit, in.NextToken, filters{in.NamePrefix, in.EventSourceArn, in.State})
	if err != nil {
		return nil, err
	}
	list, more := s.buses.Archives(c.Account, c.Region, in.NamePrefix, l.after, l.limit, func(a *registry.Archive) bool {
		return (in.EventSourceArn == "" || a.BusARN() == in.EventSourceArn) && (in.State == "" || in.State == enabled)
	})
	out := &listArchivesOutput{Archives: make([]archive, len(list))}
	for i, a := range list {
		size, err := s.buses.SizeOf(ctx, a)
		if err != nil {
			return nil, archiveFailure(err, a.Name)
		}
		out.Archives[i] = archive{a.Name, a.BusARN(), enabled, int32(a.RetentionDays), size.Bytes, size.Events, moment(a.Created)}
		l.after = a.Name
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}

// checkFilters checks the number of a replay's rules.
func checkFilters(v *problems, n int) {
	if n > maxFilters {
		v.Add("destination.filterArns", strconv.Itoa(n)+" elements", "have length less than or equal to "+strconv.Itoa(maxFilters))
	}
}
