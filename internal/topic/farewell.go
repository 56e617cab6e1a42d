package topic

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// An endpoint whose subscription has ended is told so, with a token by which it can be
// subscribed again as it was. The definition is gone by then, so the token holds it.

// maxRestorable bounds the definition in a token, in bytes. Of larger ones nothing is
// sent.
const maxRestorable = 2 << 10

// restoreMark begins such a token; those of confirmations are hexadecimal.
const restoreMark = "r"

// restorable is what a token holds of a subscription.
type restorable struct {
	Until          int64  `json:"u"` // Unix seconds
	ID             string `json:"i"`
	Owner          string `json:"o"`
	Protocol       string `json:"p"`
	Endpoint       string `json:"e"`
	Authenticated  bool   `json:"a,omitempty"`
	Raw            bool   `json:"r,omitempty"`
	FilterPolicy   string `json:"f,omitempty"`
	FilterBody     bool   `json:"b,omitempty"`
	RedriveARN     string `json:"d,omitempty"`
	DeliveryPolicy string `json:"y,omitempty"`
}

// restoreToken is "" for a definition that is too large.
func restoreToken(secret []byte, sub *registry.Subscription, until time.Time) string {
	_, id := sub.Parts()
	b, err := json.Marshal(restorable{
		until.Unix(), id, sub.Owner, sub.Protocol, sub.Endpoint, sub.Authenticated, sub.Raw, sub.FilterPolicy, sub.FilterBody,
		sub.RedriveARN, sub.DeliveryPolicy,
	})
	if err != nil || len(b) > maxRestorable {
		return ""
	}
	return restoreMark + hex.EncodeToString(append(tokenMAC(secret, append([]byte(restoreMark), b...), sub.TopicID), b...))
}

// openRestoreToken is the inverse.
func openRestoreToken(secret []byte, token string, t *registry.Topic, now time.Time) (sub *registry.Subscription, ok bool) {
	if len(token) <= len(restoreMark)+hex.EncodedLen(tokenCode) || token[:len(restoreMark)] != restoreMark ||
		len(token) > len(restoreMark)+hex.EncodedLen(tokenCode+maxRestorable) {
		return nil, false
	}
	b, err := hex.DecodeString(token[len(restoreMark):])
	if err != nil || !hmac.Equal(b[:tokenCode], tokenMAC(secret, append([]byte(restoreMark), b[tokenCode:]...), t.ID)) {
		return nil, false
	}
	var r restorable
	if json.Unmarshal(b[tokenCode:], &r) != nil || now.Unix() > r.Until {
		return nil, false
	}
	return &registry.Subscription{
		Meta:    registry.Meta{Account: t.Account, Region: t.Region, Name: t.Name + "/" + r.ID},
		TopicID: t.ID, Owner: r.Owner, Protocol: r.Protocol, Endpoint: r.Endpoint, Authenticated: r.Authenticated, Raw: r.Raw,
		FilterPolicy: r.FilterPolicy, FilterBody: r.FilterBody, RedriveARN: r.RedriveARN, DeliveryPolicy: r.DeliveryPolicy,
	}, true
}

// End removes a subscription to t as Unsubscribe does, and tells its endpoint if messages
// were pushed there.
func (s *Service) End(ctx context.Context, t *registry.Topic, sub *registry.Subscription) error {
	if err := s.Unsubscribe(ctx, sub); err != nil {
		return err
	}
	if !isPush(sub.Protocol) || sub.Pending {
		return nil
	}
	secret, err := s.secret(ctx)
	if err == nil {
		err = s.tellEnded(ctx, t, sub, secret)
	}
	if err != nil {
		s.log.Warn("an endpoint is not told that its subscription has ended", logkey.Resource, sub.ARN(), logkey.Error, err)
	}
	return nil
}

func (s *Service) tellEnded(ctx context.Context, t *registry.Topic, sub *registry.Subscription, secret []byte) error {
	now := s.cfg.Now()
	token := restoreToken(secret, sub, now.Add(ConfirmWithin))
	if token == "" {
		return nil
	}
	id := s.cfg.NewID()
	n := notification{
		slot: id, kind: kindUnsubscribed, signature: byte(max(t.SignatureVersion, 1)), id: id, time: now.UnixMilli(),
		topic: t.ARN(), token: token, message: sub.Endpoint,
	}
	// What waits in the subscription's own queue is dropped, so this has one of its own.
	to := partition.Target{Partition: sub.Partition, Queue: partition.Ref{Kind: partition.KindDeliveries, ID: rand.Uint64()}}
	_, err := s.parts.Post(ctx, to.Partition, []partition.PostItem{{
		Payload: n.encode(), Targets: []partition.PostTarget{{Target: to, Reference: newMember(sub).reference}},
	}})
	return err
}

// ended is where the message goes that a subscription has ended: it says so itself.
func (e *Endpoints) ended(q partition.Target, m *delivery.Message) (*delivery.Endpoint, error) {
	n, err := decodeNotification(m.Payload)
	if err != nil {
		return nil, err
	}
	id, _, err := readReference(m.Reference)
	if err != nil {
		return nil, err
	}
	policy := effective("", "")
	to := &member{def: &registry.Subscription{Endpoint: n.message}, id: id}
	return &delivery.Endpoint{
		Queue: q, Name: n.topic + ":" + id, Address: egress.Masked(n.message), Schedule: policy.retries, Permanent: permanent, Discard: true,
		Render: func(_ context.Context, msg *delivery.Message) (delivery.Request, error) {
			return e.s.request(to, policy.contentType, msg)
		},
	}, nil
}

// restore subscribes again what a token of the end of a subscription says.
func (s *Service) restore(ctx context.Context, t *registry.Topic, secret []byte, token string) (*registry.Subscription, error) {
	def, ok := openRestoreToken(secret, token, t, s.cfg.Now())
	if !ok {
		return nil, ErrToken
	}
	sub, _, err := s.Subscribe(ctx, t, *def, func(*registry.Subscription) bool { return true })
	return sub, err
}
