package topic

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Counts of a topic's subscriptions, as this node knows them.
type Counts struct{ Confirmed, Pending int }

// Counts of a topic's subscriptions.
func (s *Service) Counts(t *registry.Topic) (n Counts) {
	n.Confirmed, n.Pending, _ = s.fanout(t.ID, false).counts()
	return n
}

// subscriptionID makes the id of a subscription: on all nodes the same of the same.
func subscriptionID(topic uint64, protocol, endpoint string) string {
	sum := sha256.Sum256([]byte(strconv.FormatUint(topic, 16) + " " + protocol + " " + endpoint))
	return partition.MessageID(uuidOf(sum)).String()
}

// Subscribe stores a subscription to t, whose Owner, Protocol, Endpoint and attributes
// are those of def. One of the same protocol and endpoint that is there is returned if
// same says that it will do, with made false; it is confirmed unless def is pending.
// What is pending is sent a message that asks for its confirmation, each time.
//
// Errors: ErrNotFound, ErrSubscriptions, ErrPolicies, ErrDiffers; those of
// registry.Table.Create.
func (s *Service) Subscribe(ctx context.Context, t *registry.Topic, def registry.Subscription, same func(existing *registry.Subscription) bool) (sub *registry.Subscription, made bool, err error) {
	def.Meta = registry.Meta{Account: t.Account, Region: t.Region, Name: t.Name + "/" + subscriptionID(t.ID, def.Protocol, def.Endpoint)}
	def.TopicID = t.ID
	if isPush(def.Protocol) {
		def.Partition = rand.Uint32N(s.parts.Count())
	}
	if _, ok := s.reg.Subscriptions().Get(def.Account, def.Region, def.Name); !ok {
		if err := s.room(t, def.FilterPolicy != ""); err != nil {
			return nil, false, err
		}
	}
	sub, made, err = s.reg.Subscriptions().Create(ctx, &def, same)
	switch {
	case errors.Is(err, registry.ErrConflict):
		if _, ok := s.reg.Subscriptions().Get(def.Account, def.Region, def.Name); ok {
			return nil, false, ErrDiffers
		}
		return nil, false, err
	case errors.Is(err, registry.ErrTooMany):
		return nil, false, ErrSubscriptions
	case err != nil:
		return nil, false, err
	}
	// A topic that was deleted meanwhile may have been looked after already.
	if now, ok := s.reg.Topics().Get(t.Account, t.Region, t.Name); !ok || now.ID != t.ID {
		s.sweep(t.ID, 0)
		return nil, false, ErrNotFound
	}
	switch {
	case sub.Pending && def.Pending:
		s.askToConfirm(ctx, t, sub)
	case sub.Pending: // somebody else asked before; this caller need not be asked
		sub, err = s.confirm(ctx, sub, def.Authenticated)
	}
	return sub, made, err
}

// room reports whether the topic can have one more subscription.
func (s *Service) room(t *registry.Topic, policy bool) error {
	confirmed, pending, policies := s.fanout(t.ID, false).counts()
	n := confirmed + pending
	switch {
	case t.FIFO && n >= MaxFIFOSubscriptions, t.MaxMessageSize > LargeMessage && n >= MaxLargeSubscriptions:
		return ErrSubscriptions
	case policy && policies >= MaxPolicies:
		return ErrPolicies
	}
	return nil
}

// Subscription finds a subscription by its topic's owner, region and name, and its own
// id. ErrNotFound also when its topic is gone.
func (s *Service) Subscription(ctx context.Context, account, region, topic, id string) (*registry.Subscription, *registry.Topic, error) {
	sub, err := s.reg.Subscriptions().Find(ctx, account, region, topic+"/"+id)
	if err != nil {
		return nil, nil, notFound(err)
	}
	t, err := s.Find(ctx, account, region, topic)
	if err != nil {
		return nil, nil, err
	}
	if t.ID != sub.TopicID {
		return nil, nil, ErrNotFound
	}
	return sub, t, nil
}

// UpdateSubscription is registry.Table.Update for subscriptions to t, with ErrNotFound
// and ErrPolicies.
func (s *Service) UpdateSubscription(ctx context.Context, t *registry.Topic, sub *registry.Subscription, change func(*registry.Subscription) error) (*registry.Subscription, error) {
	now, err := s.reg.Subscriptions().Update(ctx, sub.Account, sub.Region, sub.Name, func(def *registry.Subscription) error {
		had := def.FilterPolicy != ""
		if err := change(def); err != nil {
			return err
		}
		if _, _, policies := s.fanout(t.ID, false).counts(); !had && def.FilterPolicy != "" && policies >= MaxPolicies {
			return ErrPolicies
		}
		return nil
	})
	return now, notFound(err)
}

// Unsubscribe removes a subscription; one that is gone already is no error.
func (s *Service) Unsubscribe(ctx context.Context, sub *registry.Subscription) error {
	return s.unsubscribeIf(ctx, sub, func(*registry.Subscription) bool { return true })
}

// unsubscribeIf removes a subscription that goes by its newest definition. One that is
// gone already, or was made anew, stays as it is.
func (s *Service) unsubscribeIf(ctx context.Context, sub *registry.Subscription, goes func(*registry.Subscription) bool) error {
	err := s.reg.Subscriptions().DeleteIf(ctx, sub.Account, sub.Region, sub.Name, func(now *registry.Subscription) error {
		if now.Meta.ID != sub.Meta.ID || !goes(now) {
			return errStays
		}
		return nil
	})
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, errStays) {
		return nil
	}
	return err
}

var errStays = errors.New("topic: the subscription stays")

// Subscriptions lists those of a topic in pages, in the order of their ids.
func (s *Service) Subscriptions(t *registry.Topic, after string, limit int) (list []*registry.Subscription, more bool) {
	prefix := t.Name + "/"
	place := ""
	if after != "" {
		place = prefix + after
	}
	for {
		page, more := s.reg.Subscriptions().List(t.Account, t.Region, prefix, place, limit)
		for i, sub := range page {
			place = sub.Name
			if sub.TopicID != t.ID {
				continue // of one that was deleted
			}
			if list = append(list, sub); len(list) == limit {
				return list, more || i < len(page)-1
			}
		}
		if !more {
			return list, false
		}
	}
}

// SubscriptionsOf lists those of an account in a region in pages, behind the one with
// the ARN after ("": from the start).
func (s *Service) SubscriptionsOf(account, region, after string, limit int) ([]*registry.Subscription, bool) {
	var place registry.Meta
	if r, ok := registry.ParseARN(after); ok && r.Kind == "subscription" {
		place = registry.Meta{Account: r.Account, Region: r.Region, Name: r.Name}
	}
	return s.reg.Subscriptions().ByPage(registry.SubscriptionsByOwner, registry.SubscriptionOwner(account, region), place, limit)
}

// Confirm confirms the subscription to t that a token was made for, or makes the one
// again of whose end a token tells. One that is confirmed already is no error. authenticated says that the request was signed and
// asks that only signed ones end the subscription.
//
// Errors: ErrToken, those of Subscribe and registry.Table.Update.
func (s *Service) Confirm(ctx context.Context, t *registry.Topic, token string, authenticated bool) (*registry.Subscription, error) {
	secret, err := s.secret(ctx)
	if err != nil {
		return nil, err
	}
	id, mark, ok := openToken(secret, token, t.ID, s.cfg.Now())
	if !ok {
		return s.restore(ctx, t, secret, token)
	}
	sub, err := s.reg.Subscriptions().Find(ctx, t.Account, t.Region, t.Name+"/"+id)
	if errors.Is(err, registry.ErrNotFound) || err == nil && (sub.Meta.ID != mark || sub.TopicID != t.ID) {
		return nil, ErrToken
	}
	if err != nil {
		return nil, err
	}
	return s.confirm(ctx, sub, authenticated)
}

// confirm has a subscription wait for nobody any more.
func (s *Service) confirm(ctx context.Context, sub *registry.Subscription, authenticated bool) (*registry.Subscription, error) {
	waited := false
	now, err := s.reg.Subscriptions().Update(ctx, sub.Account, sub.Region, sub.Name, func(def *registry.Subscription) error {
		if waited = def.Pending; waited {
			def.Pending, def.Authenticated = false, authenticated
		}
		return nil
	})
	if err == nil && waited {
		s.cfg.Confirmed(now)
	}
	return now, notFound(err)
}

// askToConfirm sends a subscriber the token by which it confirms. When that fails, the
// subscription stays as it is, and subscribing again sends another.
func (s *Service) askToConfirm(ctx context.Context, t *registry.Topic, sub *registry.Subscription) {
	m := newMember(sub)
	id := m.id
	now := s.cfg.Now()
	why := ""
	secret, err := s.secret(ctx)
	if err == nil {
		r := route{member: m}
		if !isPush(sub.Protocol) {
			r.queue, why, err = s.reach(ctx, t, sub.Endpoint, &m.deliver, now)
		}
		if err == nil && why == "" {
			message := s.cfg.NewID()
			n := notification{
				slot: message, kind: kindConfirmation, signature: byte(max(t.SignatureVersion, 1)), id: message,
				time: now.UnixMilli(), topic: t.ARN(), token: newToken(secret, id, sub.Meta.ID, t.ID, now.Add(ConfirmWithin)),
			}
			// On FIFO queues it has a group of its own.
			to := r.target(message, &Message{Group: id, Dedup: n.token})
			_, err = s.parts.Post(ctx, to.Target.Partition, []partition.PostItem{{Payload: n.encode(), Targets: []partition.PostTarget{to}}})
		}
	}
	if err != nil {
		why = err.Error()
	}
	if why != "" {
		s.cfg.Observe(Counted{Failed: 1})
		s.tellFailed(m, now, why, false)
	}
}
