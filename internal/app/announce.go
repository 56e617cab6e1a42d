package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// maxAnnouncements wait at most; what comes then is dropped.
	maxAnnouncements = 1024
	// announceTime bounds how long one takes.
	announceTime = 5 * time.Second
)

// announcement is something that happened here, for the default bus of an account.
type announcement struct {
	account, region    string
	source, detailType string
	resource           string
	detail             map[string]any
	at                 time.Time
}

// announcer puts events of what happens in this server on default buses, behind what
// happened: it holds nothing up. What waits when the server ends, or there is no room for,
// is lost.
type announcer struct {
	buses   *bus.Service
	log     *slog.Logger
	list    chan announcement
	dropped atomic.Int64
}

func newAnnouncer(buses *bus.Service, log *slog.Logger) *announcer {
	return &announcer{buses: buses, log: log, list: make(chan announcement, maxAnnouncements)}
}

func (n *announcer) announce(x announcement) {
	x.at = time.Now()
	select {
	case n.list <- x:
	default:
		n.dropped.Add(1)
	}
}

// run puts what was announced until ctx ends.
func (n *announcer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case x := <-n.list:
			if err := n.put(ctx, x); err != nil && ctx.Err() == nil {
				n.log.Warn("no event could be put of what happened", "what", x.detailType, keyResource, x.resource, "error", err)
			}
		}
		if dropped := n.dropped.Swap(0); dropped > 0 {
			n.log.Warn("more happened than events could be put of", "dropped", dropped)
		}
	}
}

func (n *announcer) put(ctx context.Context, x announcement) error {
	ctx, cancel := context.WithTimeout(ctx, announceTime)
	defer cancel()
	b, err := n.buses.Find(ctx, x.account, x.region, registry.DefaultBus)
	if err != nil {
		return err
	}
	detail, err := json.Marshal(x.detail)
	if err != nil {
		return err
	}
	return n.buses.Put(ctx, []bus.Addressed{{Bus: b, Event: bus.Event{
		Account: x.account, Region: x.region, Source: x.source, DetailType: x.detailType,
		Detail: string(detail), Resources: []string{x.resource}, Time: x.at,
	}}})[0].Err
}

func (n *announcer) endpointDisabled(_ context.Context, e *delivery.Endpoint, h *registry.EndpointHealth) {
	n.announce(announcement{account: e.Account, region: e.Region, source: "waystation.delivery", detailType: "Endpoint Disabled", resource: e.Name, detail: map[string]any{
		"endpoint": e.Name, "address": e.Address, "failingSince": time.UnixMilli(h.Since).UTC().Format(time.RFC3339),
		"class": h.Class, "status": h.Status,
	}})
}

func (n *announcer) subscriptionConfirmed(sub *registry.Subscription) {
	name, _ := sub.Parts()
	topic := &registry.Topic{Meta: registry.Meta{Account: sub.Account, Region: sub.Region, Name: name}}
	n.announce(announcement{account: sub.Account, region: sub.Region, source: "waystation.sns", detailType: "Subscription Confirmed", resource: sub.ARN(), detail: map[string]any{
		"subscription": sub.ARN(), "topic": topic.ARN(), "protocol": sub.Protocol, "endpoint": sub.Endpoint,
	}})
}

// announcing are the definitions of queues for those who call the API: that one is made or
// deleted is announced.
type announcing struct {
	*registry.Registry
	to *announcer
}

// CreateQueue is the registry's.
func (d announcing) CreateQueue(ctx context.Context, q registry.Queue, same func(existing *registry.Queue) bool) (*registry.Queue, bool, error) {
	made, created, err := d.Registry.CreateQueue(ctx, q, same)
	if err == nil && created {
		d.queue("Queue Created", made.Account, made.Region, made.Name, made.ARN())
	}
	return made, created, err
}

// DeleteQueue is the registry's.
func (d announcing) DeleteQueue(ctx context.Context, account, region, name string) error {
	err := d.Registry.DeleteQueue(ctx, account, region, name)
	if err == nil {
		d.queue("Queue Deleted", account, region, name, (&registry.Queue{Meta: registry.Meta{Account: account, Region: region, Name: name}}).ARN())
	}
	return err
}

func (d announcing) queue(what, account, region, name, arn string) {
	d.to.announce(announcement{account: account, region: region, source: "waystation.sqs", detailType: what, resource: arn, detail: map[string]any{
		"queue": arn, "queueName": name,
	}})
}

func (a *App) openAnnouncer(context.Context) (opened, error) {
	return opened{run: a.announcer.run}, nil
}
