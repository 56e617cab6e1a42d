package events

import (
	"context"
	"log/slog"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
)

// Secrets gives n random bytes that are the same on all nodes and for good;
// *registry.Registry has this method.
type Secrets interface {
	Secret(ctx context.Context, name string, n int) ([]byte, error)
}

// Config of the API. All but Logger is needed to serve; the table of operations can be
// had without.
type Config struct {
	Buses   *bus.Service
	Secrets Secrets
	Access  *access.Access
	Logger  *slog.Logger // nil: discard
}

// Bounds.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const (
	maxBusName     = 256
	maxRuleName    = 64
	maxTargetID    = 64
	maxStatementID = 64
	maxDescription = 512
	maxKey         = 2048
	maxARN         = 1600
	maxPattern     = 4096
	maxInput       = 8192
	maxGroup       = 100
	maxSource      = 256
	maxDetailType  = 128
	maxResource    = 2048 // characters of one
	maxTrace       = 500
	maxEntries     = 10
	maxTargets     = 100 // of one request
	maxEventBytes  = 1 << 20
	maxPolicyBytes = 10 << 10
	maxTags        = 50
	maxListed      = 100
	maxRetries     = 185
	minAge, maxAge = 60, 86_400 // seconds
	// maxBody of requests: a detail is JSON within JSON.
	maxBody = 8 << 20
)

// service has the handlers.
type service struct {
	buses  *bus.Service
	access *access.Access
	log    *slog.Logger
	pages  *page.Tokens
}

// New makes the table of operations, served with what Config names.
func New(cfg Config) *protocol.API {
	s := newService(cfg)
	return &protocol.API{
		Name:       "events",
		Title:      "EventBridge",
		Version:    "2015-10-07",
		Target:     "AWSEvents",
		JSON:       "1.1",
		MaxBody:    maxBody,
		Sections:   sections(),
		Operations: s.operations(),
	}
}

func newService(cfg Config) *service {
	s := &service{buses: cfg.Buses, access: cfg.Access, log: cfg.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.pages = page.NewTokens(func(ctx context.Context) ([]byte, error) {
		return cfg.Secrets.Secret(ctx, "page-tokens", page.SecretSize)
	})
	return s
}
