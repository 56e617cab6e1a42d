package bus

import (
	"context"
	"errors"

	pushing "github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/registry"
)

// Types of connections.
const (
	Basic  = "BASIC"
	APIKey = "API_KEY"
	OAuth  = "OAUTH_CLIENT_CREDENTIALS"
)

// MaxConnections and MaxDestinations are how many connections and API destinations an
// account has in a region; nodes that make some at the same instant may overshoot it by
// a few.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const (
	MaxConnections  = 3000
	MaxDestinations = 3000
)

// CreateConnection stores a connection. One whose token has to be asked for is
// Authorizing until RunConnections, of some node, has it. Errors: ErrConnectionExists,
// ErrConnections; those of registry.Table.Create.
func (s *Service) CreateConnection(ctx context.Context, c registry.Connection) (*registry.Connection, error) {
	table := s.reg.Connections()
	if list, _ := table.List(c.Account, c.Region, "", "", MaxConnections); len(list) >= MaxConnections {
		return nil, ErrConnections
	}
	c.Version = 1
	s.authorizeAnew(&c)
	made, _, err := table.Create(ctx, &c, func(*registry.Connection) bool { return false })
	if errors.Is(err, registry.ErrConflict) {
		return nil, ErrConnectionExists
	}
	return made, err
}

// authorizeAnew gives a connection the state that it has once it was given what
// authorizes.
func (s *Service) authorizeAnew(c *registry.Connection) {
	c.State, c.StateReason = registry.Authorized, ""
	if c.Type == OAuth {
		c.State = registry.Authorizing
		return
	}
	c.LastAuthorized = s.cfg.Now().Unix()
}

// Connection finds a connection by its name. Errors: ErrNoConnection; those of
// registry.Table.Find.
func (s *Service) Connection(ctx context.Context, account, region, name string) (*registry.Connection, error) {
	c, err := s.reg.Connections().Find(ctx, account, region, name)
	return c, noConnection(err)
}

// ConnectionOf finds a connection by its ARN. Errors: ErrNoConnection; those of
// registry.Table.Find.
func (s *Service) ConnectionOf(ctx context.Context, arn string) (*registry.Connection, error) {
	r, ok := registry.ParseARN(arn)
	if !ok || r.Kind != connectionKind {
		return nil, ErrNoConnection
	}
	c, err := s.Connection(ctx, r.Account, r.Region, ownName(r))
	if err == nil && c.ARN() != arn {
		return nil, ErrNoConnection // of one that had this name before
	}
	return c, err
}

// UpdateConnection changes a connection. With anew, what authorizes was changed, and it
// is authorized again. Errors: ErrNoConnection; what change returns; those of
// registry.Table.Update.
func (s *Service) UpdateConnection(ctx context.Context, account, region, name string, change func(*registry.Connection) (anew bool, err error)) (*registry.Connection, error) {
	c, err := s.reg.Connections().Update(ctx, account, region, name, func(c *registry.Connection) error {
		anew, err := change(c)
		if err == nil && anew {
			c.Version++
			s.authorizeAnew(c)
		}
		return err
	})
	return c, noConnection(err)
}

// Deauthorize takes from a connection all that authorizes, and its parameters. Errors:
// as UpdateConnection's.
func (s *Service) Deauthorize(ctx context.Context, account, region, name string) (*registry.Connection, error) {
	return s.UpdateConnection(ctx, account, region, name, func(c *registry.Connection) (bool, error) {
		c.Client, c.Secret, c.OAuth, c.Parameters = "", "", nil, nil
		c.Version++
		c.State, c.StateReason = registry.Deauthorized, ""
		return false, nil
	})
}

// DeleteConnection removes a connection, also while destinations use it: these are
// inactive from then on, and what waits for them fails. Errors: ErrNoConnection; those
// of registry.Table.Delete.
func (s *Service) DeleteConnection(ctx context.Context, account, region, name string) error {
	return noConnection(s.reg.Connections().Delete(ctx, account, region, name))
}

// Connections lists those of an account in pages, in the order of their names, behind
// the one called after ("": from the start); state "": any.
func (s *Service) Connections(account, region, prefix, state, after string, limit int) (list []*registry.Connection, more bool) {
	return wantedOnly(limit, after, func(after string) ([]*registry.Connection, bool) {
		return s.reg.Connections().List(account, region, prefix, after, limit)
	}, func(c *registry.Connection) (string, bool) {
		return c.Name, state == "" || c.State == state
	})
}

// wantedOnly fills a page with what is wanted of pages of all.
func wantedOnly[T any](limit int, after string, page func(after string) ([]T, bool), wanted func(T) (name string, is bool)) (list []T, more bool) {
	for {
		all, more := page(after)
		for i, x := range all {
			name, is := wanted(x)
			if after = name; !is {
				continue
			}
			if list = append(list, x); len(list) == limit {
				return list, more || i < len(all)-1
			}
		}
		if !more {
			return list, false
		}
	}
}

// refused notes that a connection does not authorize any more, since it was told so. A
// connection that was changed meanwhile stays as it is.
func (s *Service) refused(ctx context.Context, c *registry.Connection, reason string) {
	s.setState(ctx, c, func(now *registry.Connection) bool {
		if now.State == registry.Deauthorized {
			return false
		}
		now.State, now.StateReason = registry.Deauthorized, reason
		return true
	})
}

// authorized notes that a connection was authorized that waited for it.
func (s *Service) authorized(ctx context.Context, c *registry.Connection) {
	s.setState(ctx, c, func(now *registry.Connection) bool {
		if now.State != registry.Authorizing {
			return false
		}
		now.State, now.StateReason, now.LastAuthorized = registry.Authorized, "", s.cfg.Now().Unix()
		return true
	})
}

// errAsItIs ends an update that is not to change anything.
var errAsItIs = errors.New("bus: nothing to change")

func (s *Service) setState(ctx context.Context, c *registry.Connection, change func(*registry.Connection) bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushTime)
	defer cancel()
	_, err := s.reg.Connections().Update(ctx, c.Account, c.Region, c.Name, func(now *registry.Connection) error {
		if now.ID != c.ID || now.Version != c.Version || !change(now) {
			return errAsItIs
		}
		return nil
	})
	if err != nil && !errors.Is(err, errAsItIs) && !errors.Is(err, registry.ErrNotFound) {
		s.log.Warn("the state of a connection cannot be noted", logkey.Resource, c.ARN(), logkey.Error, err)
	}
}

// WebhookSecrets reads the secrets of a connection that signs its requests as Standard
// Webhooks has it, instead of sending a key: an API key named webhook-signature whose
// value begins with whsec_, the new one and then, while receivers change over, the one
// before. is says that it is such a key. The error is delivery.ErrSecret.
func WebhookSecrets(name, value string) (secrets pushing.Secrets, is bool, err error) {
	if !isWebhook(name, value) {
		return secrets, false, nil
	}
	secrets, err = parseSecrets(value)
	return secrets, true, err
}

func noConnection(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoConnection
	}
	return err
}
