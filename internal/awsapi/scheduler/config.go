package scheduler

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/scheduler"
)

// Secrets gives n random bytes that are the same on all nodes and for good;
// *registry.Registry has this method.
type Secrets interface {
	Secret(ctx context.Context, name string, n int) ([]byte, error)
}

// Config of the API. All but Now is needed to serve; the table of operations can be had
// without.
type Config struct {
	Scheduler *scheduler.Service
	Secrets   Secrets
	Access    *access.Access
	Now       func() time.Time // default time.Now
}

// Bounds.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
const (
	maxName        = 64
	maxToken       = 64
	maxDescription = 512
	maxExpression  = 256
	maxZone        = 50
	maxWindow      = 1440 // minutes
	maxKey         = 2048
	maxARN         = 1600
	maxTagARN      = 1011
	maxGroup       = 128
	maxDetailType  = 128
	maxSource      = 256
	maxRetries     = 185
	minAge, maxAge = 60, 86_400 // seconds
	maxListed      = 100
	maxTags        = 50  // of a group
	maxTagList     = 200 // of a request
	// maxBody of requests: an input is JSON within JSON.
	maxBody = 1 << 20
)

// service has the handlers.
type service struct {
	scheduler *scheduler.Service
	access    *access.Access
	now       func() time.Time
	pages     *page.Tokens
}

// New makes the table of operations, served with what Config names.
func New(cfg Config) *protocol.API {
	s := newService(cfg)
	return &protocol.API{
		Name:       "scheduler",
		Title:      "EventBridge Scheduler",
		Version:    "2021-06-30",
		JSON:       "1.1",
		REST:       true,
		MaxBody:    maxBody,
		Sections:   sections(),
		Operations: s.operations(),
	}
}

func newService(cfg Config) *service {
	s := &service{scheduler: cfg.Scheduler, access: cfg.Access, now: cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.pages = page.NewTokens(func(ctx context.Context) ([]byte, error) {
		return cfg.Secrets.Secret(ctx, "page-tokens", page.SecretSize)
	})
	return s
}
