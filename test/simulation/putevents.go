package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// busNames are the buses of a plan. The second one is deleted and made again.
var busNames = []string{registry.DefaultBus, "shop"}

const churningBus = "shop"

func (a *announcer) bus() string { return busNames[a.r.IntN(len(busNames))] }

// rule is the name of one: few, so that they are put again.
func (a *announcer) rule() string { return fmt.Sprint("rule-", a.r.IntN(4)) }

// makeBus makes a bus; one that is there will do.
func (a *announcer) makeBus(name string) error {
	if name == registry.DefaultBus {
		return nil
	}
	_, err := serve(&a.client, func(ctx context.Context, r *run) (struct{}, error) {
		made, err := r.buses.Create(ctx, registry.Bus{Meta: registry.Meta{Account: account, Region: region, Name: name}})
		if err == nil {
			a.s.copies.defined(r, made.Revision)
		}
		return struct{}{}, err
	})
	if errors.Is(err, bus.ErrExists) {
		return nil
	}
	return err
}

// onBus does something to a bus, through any node.
func (a *announcer) onBus(name string, do func(context.Context, *run, *registry.Bus) error) {
	_, _ = serve(&a.client, func(ctx context.Context, r *run) (struct{}, error) {
		b, err := r.buses.Find(ctx, account, region, name)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, do(ctx, r, b)
	})
}

// put puts one event on a bus, or several, and sometimes again without an answer.
func (a *announcer) put() {
	name, list := a.bus(), a.compose("e", a.count())
	if !a.putOnce(name, list) && a.chance(30) {
		a.putOnce(name, list)
	}
}

// putOnce reports whether all of it was answered.
func (a *announcer) putOnce(name string, notices []*notice) bool {
	book := a.s.copies
	var made []*attempt
	out, err := serve(&a.client, func(ctx context.Context, r *run) ([]bus.Result, error) {
		b, err := r.buses.Find(ctx, account, region, name)
		if err != nil {
			return nil, err
		}
		m, attempts, ok := book.attempt(notices, nil, b)
		if !ok {
			return nil, bus.ErrNoBus // the one that they were for
		}
		made = attempts
		if ctx, err = m.begin(ctx, r.reg); err != nil {
			return nil, err
		}
		book.knows(r, m.from)
		events := make([]bus.Addressed, len(made))
		for i, a := range made {
			events[i] = a.event()
		}
		defer m.reached(r.reg, false)
		return r.buses.Put(ctx, events), nil
	})
	if err != nil {
		return false
	}
	list := make([]outcome, len(out))
	all := true
	for i, x := range out {
		list[i] = outcome{id: x.ID, err: a.judged(x.Err)}
		all = all && x.Err == nil
	}
	book.answer(made, list)
	return all
}

// putRule puts a rule, with any pattern.
func (a *announcer) putRule() {
	pattern := patterns[0]
	if a.chance(60) {
		pattern = patterns[a.r.IntN(len(patterns))]
	}
	a.putRuleOf(a.bus(), a.rule(), pattern)
}

func (a *announcer) putRuleOf(name, rule string, pattern choice) {
	def := registry.Rule{Pattern: pattern.policy, Disabled: a.chance(15), CreatedBy: account}
	a.onBus(name, func(ctx context.Context, r *run, b *registry.Bus) error {
		made, err := r.buses.PutRule(ctx, b, rule, def)
		if err == nil {
			a.s.copies.defined(r, made.Revision)
		}
		return err
	})
}

// putTargets puts one target or two of a rule, in place of those of their ids.
func (a *announcer) putTargets() { a.putTargetsOf(a.bus(), a.rule()) }

func (a *announcer) putTargetsOf(name, rule string) {
	var list []registry.Target
	for i := range 1 + a.r.IntN(2) {
		q := a.endpoint()
		t := registry.Target{ID: fmt.Sprint("t", (a.r.IntN(2)+i)%3), ARN: queueARN(q.name)}
		if i > 0 && t.ID == list[0].ID {
			break
		}
		switch a.r.IntN(4) {
		case 0:
			t.InputPath = "$.detail"
		case 1:
			t.Template, t.Paths = template, map[string]string{"text": "$.detail.text"}
		}
		if q.fifo {
			t.Group = "g"
		}
		if q.deadLetter != "" && !q.fifo && a.chance(85) {
			t.DeadLetterARN = queueARN(q.deadLetter)
		}
		list = append(list, t)
	}
	a.onBus(name, func(ctx context.Context, r *run, b *registry.Bus) error {
		return r.buses.PutTargets(ctx, b, rule, list)
	})
}

func (a *announcer) removeTargets() {
	name, rule, id := a.bus(), a.rule(), fmt.Sprint("t", a.r.IntN(3))
	a.onBus(name, func(ctx context.Context, r *run, b *registry.Bus) error {
		_, err := r.buses.RemoveTargets(ctx, b, rule, []string{id})
		return err
	})
}

// deleteRule takes a rule's targets away, and the rule.
func (a *announcer) deleteRule() { a.deleteRuleOf(a.bus(), a.rule()) }

func (a *announcer) deleteRuleOf(name, rule string) {
	a.onBus(name, func(ctx context.Context, r *run, b *registry.Bus) error {
		if _, err := r.buses.RemoveTargets(ctx, b, rule, []string{"t0", "t1", "t2"}); err != nil {
			return err
		}
		return r.buses.DeleteRule(ctx, b, rule)
	})
}

// remakeBus deletes a bus with its rules and makes it again, perhaps after a while.
func (a *announcer) remakeBus() {
	rules, _ := serve(&a.client, func(ctx context.Context, r *run) ([]*registry.Rule, error) {
		b, err := r.buses.Find(ctx, account, region, churningBus)
		if err != nil {
			return nil, err
		}
		list, _ := r.buses.Rules(b, "", "", 100, nil)
		return list, nil
	})
	for _, x := range rules {
		_, rule := x.Parts()
		a.deleteRuleOf(churningBus, rule)
	}
	defer a.meanwhile(func(other *announcer) {
		rule := other.rule()
		other.putRuleOf(churningBus, rule, patterns[0])
		other.putTargetsOf(churningBus, rule)
	})()
	a.onBus(churningBus, func(ctx context.Context, r *run, _ *registry.Bus) error {
		return r.buses.Delete(ctx, account, region, churningBus)
	})
	if a.chance(50) {
		time.Sleep(time.Duration(a.r.Int64N(int64(10 * time.Second))))
	}
	for range 3 {
		if a.makeBus(churningBus) == nil {
			break
		}
		time.Sleep(time.Second)
	}
	a.putRuleOf(churningBus, a.rule(), patterns[0])
}
