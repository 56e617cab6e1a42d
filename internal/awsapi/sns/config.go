package sns

import (
	"context"
	"log/slog"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// Secrets gives n random bytes that are the same on all nodes and for good;
// *registry.Registry has this method.
type Secrets interface {
	Secret(ctx context.Context, name string, n int) ([]byte, error)
}

// Config of the API. All but Logger is needed to serve; the table of operations can be
// had without.
type Config struct {
	Topics  *topic.Service
	Secrets Secrets
	Access  *access.Access
	Logger  *slog.Logger // nil: discard
}

// Bounds.
// https://docs.aws.amazon.com/general/latest/gr/sns.html
const (
	maxName           = 256 // characters of a topic's name
	maxDisplayName    = 100
	minMessageBytes   = 1 << 10
	maxMessageBytes   = 1 << 20
	maxTags           = 50
	maxListed         = 100
	maxRedrivePolicy  = 4 << 10
	maxFeedbackSample = 100 // per cent
)

// service has the handlers.
type service struct {
	topics *topic.Service
	access *access.Access
	log    *slog.Logger
	pages  *page.Tokens

	attributes *resource.Attributes[registry.Topic, topic.Counts]
	subscribed *resource.Attributes[registry.Subscription, registry.Topic]
}

// New makes the table of operations, served with what Config names.
func New(cfg Config) *protocol.API {
	s := newService(cfg)
	return &protocol.API{
		Name:       "sns",
		Title:      "Simple Notification Service",
		Version:    "2010-03-31",
		Namespace:  "http://sns.amazonaws.com/doc/2010-03-31/",
		Sections:   s.sections(),
		Operations: s.operations(),
	}
}

func newService(cfg Config) *service {
	s := &service{topics: cfg.Topics, access: cfg.Access, log: cfg.Logger, attributes: topicAttributes(), subscribed: subscriptionAttributes()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.pages = page.NewTokens(func(ctx context.Context) ([]byte, error) {
		return cfg.Secrets.Secret(ctx, "page-tokens", page.SecretSize)
	})
	return s
}
