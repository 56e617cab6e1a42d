package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

const (
	routingAccount = "000000000000"
	routingRegion  = "us-east-1"
	routingCallers = 64
	// publishTo queues get each message that is published.
	publishTo     = 100
	publishes     = 5000 // of a round
	rulesFew      = 10
	rulesMany     = 10_000
	eventsOfRound = 20_000
)

// publish compares publishes to a topic with a hundred queues with plain sends of the same
// size, in turns, and says by how much the log grows for each.
func publish(ctx context.Context, o options, r *report) error {
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	defer n.close()
	plain, err := n.queue(ctx, "plain", false)
	if err != nil {
		return err
	}
	t, _, err := n.topics.Create(ctx, registry.Topic{Meta: registry.Meta{Account: routingAccount, Region: routingRegion, Name: "t"}}, func(*registry.Topic) bool { return true })
	if err != nil {
		return err
	}
	for i := range publishTo {
		q, err := n.queue(ctx, fmt.Sprint("q", i), false)
		if err != nil {
			return err
		}
		sub := registry.Subscription{Owner: routingAccount, Protocol: topic.ProtocolSQS, Endpoint: q.ARN(), Raw: true}
		if _, _, err := n.topics.Subscribe(ctx, t, sub, func(*registry.Subscription) bool { return true }); err != nil {
			return err
		}
	}
	s, body := newSender(o.body()), o.body()
	var sends, posts, grown []float64
	for range o.rounds + 1 {
		began := time.Now()
		if err := n.send(ctx, plain, s, routingCallers, 10*publishes, 1, nil); err != nil {
			return err
		}
		sends = append(sends, 10*publishes/time.Since(began).Seconds())
		before, err := folderSize(n.dir)
		if err != nil {
			return err
		}
		began = time.Now()
		err = parallel(routingCallers, publishes, 1, func(int, int) error {
			return n.topics.Publish(ctx, t, []topic.Message{{Body: body}})[0].Err
		})
		if err != nil {
			return err
		}
		posts = append(posts, publishes/time.Since(began).Seconds())
		after, err := folderSize(n.dir)
		if err != nil {
			return err
		}
		grown = append(grown, float64(after-before)/publishes)
	}
	a, b := median(sends[1:]), median(posts[1:])
	r.add("publish", fmt.Sprintf("%d queues, %d B, %d callers", publishTo, o.size, routingCallers),
		[]string{"sends/s", "publishes/s", "of sends", "B a publish"}, a, b, b/a, median(grown[1:]))
	return nil
}

// folderSize is how many bytes the files of a folder have.
func folderSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// rules compares events put on a bus with ten rules with those on one with ten thousand,
// in turns. Each event matches one rule, whose target is a queue.
func rules(ctx context.Context, o options, r *report) error {
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	defer n.close()
	var buses []*registry.Bus
	for _, count := range []int{rulesFew, rulesMany} {
		b, err := n.busWith(ctx, count)
		if err != nil {
			return err
		}
		buses = append(buses, b)
	}
	rates := make([][]float64, len(buses))
	for range o.rounds + 1 {
		for i, b := range buses {
			e := bus.Event{Account: routingAccount, Region: routingRegion, Source: "shop-3", DetailType: "paid", Detail: `{"kind":"k3","amount":12.5,"text":"` + o.body() + `"}`}
			began := time.Now()
			err := parallel(routingCallers, eventsOfRound, 1, func(int, int) error { return n.buses.Put(ctx, []bus.Addressed{{Bus: b, Event: e}})[0].Err })
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], eventsOfRound/time.Since(began).Seconds())
		}
	}
	few, many := median(rates[0][1:]), median(rates[1][1:])
	r.add("rules", fmt.Sprintf("%d and %d rules, %d B, %d callers", rulesFew, rulesMany, o.size, routingCallers),
		[]string{"events/s", "events/s", "times as slow"}, few, many, few/many)
	return nil
}

// busWith makes a bus with that many rules.
func (n *node) busWith(ctx context.Context, count int) (*registry.Bus, error) {
	b, err := n.buses.Create(ctx, registry.Bus{Meta: registry.Meta{Account: routingAccount, Region: routingRegion, Name: fmt.Sprint("bus-", count)}})
	if err != nil {
		return nil, err
	}
	q, err := n.queue(ctx, fmt.Sprint("of-", count), false)
	if err != nil {
		return nil, err
	}
	return b, parallel(routingCallers, count, 1, func(i, _ int) error {
		name := fmt.Sprint("rule-", i)
		pattern := fmt.Sprintf(`{"source":["shop-%d"],"detail":{"kind":["k%d",{"prefix":"p%d-"}],"amount":[{"numeric":[">",%d]}]}}`, i, i, i, i%10)
		if _, err := n.buses.PutRule(ctx, b, name, registry.Rule{Pattern: pattern, CreatedBy: routingAccount}); err != nil {
			return err
		}
		return n.buses.PutTargets(ctx, b, name, []registry.Target{{ID: "t", ARN: q.ARN()}})
	})
}
