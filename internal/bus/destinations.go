package bus

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Kinds of definitions, as registry.Resource has them.
const (
	connectionKind  = "connection"
	destinationKind = "api-destination"
)

// ownName is the name that a connection or an API destination was given: what stands
// before the slash in its ARN.
func ownName(r registry.Resource) string {
	name, _, _ := strings.Cut(r.Name, "/")
	return name
}

// destinationQueue is where events wait for a destination, those of all rules: so its
// rate holds whoever sends to it, and whichever node.
func destinationQueue(d *registry.APIDestination) partition.Target {
	return partition.Target{Partition: d.Partition, Queue: partition.Ref{Kind: partition.KindDeliveries, ID: d.ID}}
}

// CreateDestination stores an API destination. Errors: ErrNoConnection,
// ErrDestinationExists, ErrDestinations; those of registry.Table.Create.
func (s *Service) CreateDestination(ctx context.Context, d registry.APIDestination) (*registry.APIDestination, error) {
	if err := s.mayUse(ctx, &d); err != nil {
		return nil, err
	}
	table := s.reg.APIDestinations()
	if list, _ := table.List(d.Account, d.Region, "", "", MaxDestinations); len(list) >= MaxDestinations {
		return nil, ErrDestinations
	}
	d.Partition = rand.Uint32N(max(s.count(), 1))
	made, _, err := table.Create(ctx, &d, func(*registry.APIDestination) bool { return false })
	if errors.Is(err, registry.ErrConflict) {
		return nil, ErrDestinationExists
	}
	return made, err
}

// mayUse checks that a destination's connection is there, and in its account and region.
func (s *Service) mayUse(ctx context.Context, d *registry.APIDestination) error {
	c, err := s.ConnectionOf(ctx, d.ConnectionARN)
	if err == nil && (c.Account != d.Account || c.Region != d.Region) {
		return ErrNoConnection
	}
	return err
}

// Destination finds an API destination by its name. Errors: ErrNoDestination; those of
// registry.Table.Find.
func (s *Service) Destination(ctx context.Context, account, region, name string) (*registry.APIDestination, error) {
	d, err := s.reg.APIDestinations().Find(ctx, account, region, name)
	return d, noDestination(err)
}

// UpdateDestination changes an API destination. Errors: ErrNoDestination,
// ErrNoConnection; those of registry.Table.Update.
func (s *Service) UpdateDestination(ctx context.Context, account, region, name string, change func(*registry.APIDestination)) (*registry.APIDestination, error) {
	d, err := s.reg.APIDestinations().Update(ctx, account, region, name, func(d *registry.APIDestination) error {
		before := d.ConnectionARN
		if change(d); d.ConnectionARN != before {
			return s.mayUse(ctx, d)
		}
		return nil
	})
	return d, noDestination(err)
}

// DeleteDestination removes an API destination, also while it is a target of rules: what
// waits for it goes to the dead-letter queues of its targets. Errors: ErrNoDestination;
// those of registry.Table.Delete.
func (s *Service) DeleteDestination(ctx context.Context, account, region, name string) error {
	return noDestination(s.reg.APIDestinations().Delete(ctx, account, region, name))
}

// APIDestinations lists those of an account in pages, in the order of their names,
// behind the one called after ("": from the start); connection "": of any.
func (s *Service) APIDestinations(account, region, prefix, connection, after string, limit int) (list []*registry.APIDestination, more bool) {
	return wantedOnly(limit, after, func(after string) ([]*registry.APIDestination, bool) {
		return s.reg.APIDestinations().List(account, region, prefix, after, limit)
	}, func(d *registry.APIDestination) (string, bool) {
		return d.Name, connection == "" || d.ConnectionARN == connection
	})
}

// Active reports whether events can get to a destination: its connection is there and
// authorized, as far as this node knows.
func (s *Service) Active(d *registry.APIDestination) bool {
	r, _ := registry.ParseARN(d.ConnectionARN)
	c, ok := s.reg.Connections().Get(r.Account, r.Region, ownName(r))
	return ok && c.State != registry.Deauthorized && c.ARN() == d.ConnectionARN
}

// deliverToDestination adds the queue of an API destination to the event's post; the
// fault says why that cannot be. The error is one of the registry, which passes.
func (d *delivery) deliverToDestination(ctx context.Context, t *target) (*fault, error) {
	to, ok := d.s.reg.APIDestinations().Get(t.at.Account, t.at.Region, ownName(t.at))
	if !ok {
		if err := d.s.finder.Known(ctx, d.now); err != nil {
			return nil, err
		}
		to, ok = d.s.reg.APIDestinations().Get(t.at.Account, t.at.Region, ownName(t.at))
	}
	switch {
	case !ok || to.ARN() != t.def.ARN:
		return &fault{"NO_RESOURCE", "The API destination " + t.def.ARN + " does not exist."}, nil
	case to.Account != t.rule.def.Account:
		return &fault{"NO_PERMISSIONS", "The API destination " + t.def.ARN + " is of another account than the rule."}, nil
	}
	d.items[0].addPush(t, to, pushReference{t.rule.def.ID, d.now, t.def.ID})
	return nil, nil
}

// addPush gives an item, which is the event, a target by HTTP. What the target makes of
// the event is made when it is pushed.
func (it *item) addPush(t *target, to *registry.APIDestination, ref pushReference) {
	it.targets = append(it.targets, partition.PostTarget{Target: destinationQueue(to), Reference: ref.encode()})
	it.routes = append(it.routes, route{target: t})
}

func noDestination(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoDestination
	}
	return err
}
