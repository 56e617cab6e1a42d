package simulation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/test/harness/linear"
)

// linearQueue is the queue whose history is checked for linearizability. Nothing
// else uses it, and what was received from it is not visible again.
var linearQueue = queuePlan{name: "linear.fifo", fifo: true, visibility: 12 * time.Hour, retention: 4 * 24 * time.Hour}

// players of the linear queue: half of them send.
const players = 4

// linearGroups of its messages.
var linearGroups = []string{"h0", "h1", "h2"}

// player sends requests one after the other, each through any node.
type player struct {
	client
	ctx     context.Context
	unknown int        // requests without an answer
	sends   []sentCall // that were answered, oldest first
}

// sentCall is a send and when it was asked for first.
type sentCall struct {
	call  linear.Call
	first time.Time
}

// maxUnknown bounds the requests without an answer of one player: each doubles
// what the checker has to try.
const maxUnknown = 5

func (s *sim) play(ctx context.Context, number int) {
	p := &player{client: client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(200+number)))}, ctx: ctx}
	for rest(ctx, time.Duration(p.r.ExpFloat64()*float64(3*s.plan.think))) == nil {
		if p.unknown >= maxUnknown {
			return
		}
		if number%2 == 0 {
			p.send()
		} else {
			p.receiveAndWork()
		}
	}
}

// note records a request; what was certainly not carried out is left out.
func (p *player) note(in linear.Call, start time.Time, out linear.Result, err error) {
	s := p.s
	if errors.Is(err, errDown) {
		return
	}
	end := int64(time.Since(s.began))
	if err != nil {
		out = linear.Result{Unknown: true}
		p.unknown++
		end = math.MaxInt64
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && in.Verb == linear.Receive {
		s.linear = append(s.linear, porcupine.Operation{ClientId: p.number, Input: linear.Call{Verb: linear.GiveBack, Attempt: in.Attempt}, Call: int64(start.Sub(s.began)), Output: out, Return: end})
	}
	s.linear = append(s.linear, porcupine.Operation{ClientId: p.number, Input: in, Call: int64(start.Sub(s.began)), Output: out, Return: end})
}

func (p *player) pause() { time.Sleep(time.Duration(p.r.Int64N(int64(2 * time.Second)))) }

// send sends a new message, or one that was answered again.
func (p *player) send() {
	for len(p.sends) > 0 && time.Since(p.sends[0].first) > p.s.plan.repeats {
		p.sends = p.sends[1:]
	}
	if len(p.sends) > 0 && p.r.IntN(4) == 0 {
		_ = p.sendOnce(p.sends[p.r.IntN(len(p.sends))].call)
		return
	}
	p.sent++
	in := linear.Call{Verb: linear.Send, Group: linearGroups[p.r.IntN(len(linearGroups))], ID: fmt.Sprintf("%d.%d", p.number, p.sent)}
	first := time.Now()
	for range 5 {
		err := p.sendOnce(in)
		if err == nil {
			p.sends = append(p.sends, sentCall{in, first})
		}
		if err == nil || p.ctx.Err() != nil || p.unknown >= maxUnknown {
			return
		}
		p.pause()
		if errors.Is(err, errUnknown) && p.r.IntN(3) == 0 {
			return // never to be known
		}
	}
}

func (p *player) sendOnce(in linear.Call) error {
	start := time.Now()
	_, _, err := on(&p.client, p.node(), linearQueue, sendVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) ([]partition.SendResult, error) {
		return r.svc.Send(ctx, def, []partition.Message{{ID: messageID(p.r), Body: in.ID, GroupID: in.Group, DedupID: in.ID, Delay: -1}})
	})
	p.note(in, start, linear.Result{}, err)
	return err
}

// receiveAndWork takes up to three messages, then deletes or releases each, in any
// order: so some are in flight before and some behind those that can be received.
func (p *player) receiveAndWork() {
	p.sent++
	in := linear.Call{Verb: linear.Receive, Attempt: fmt.Sprintf("try-%d.%d", p.number, p.sent), Max: 3}
	var holds []partition.Received
	again := p.r.IntN(3) == 0 // though there was an answer
	for {
		start := time.Now()
		got, _, err := on(&p.client, p.node(), linearQueue, receiveVerb, patience+2*time.Second, func(ctx context.Context, r *run, def *registry.Queue) ([]partition.Received, error) {
			return r.svc.Receive(ctx, def, partition.ReceiveOptions{Max: in.Max, Visibility: -1, Wait: 2 * time.Second, Attempt: in.Attempt})
		})
		var out linear.Result
		for _, m := range got {
			out.Got = append(out.Got, linear.Received{Group: m.GroupID, ID: m.Body})
		}
		p.note(in, start, out, err)
		in.Again = in.Again || !errors.Is(err, errDown)
		if err == nil && again && len(got) > 0 {
			again = false
			if rest(p.ctx, time.Duration(p.r.Int64N(int64(p.s.plan.repeats)))) == nil {
				continue
			}
		}
		if err == nil {
			holds = got
			break
		}
		if p.ctx.Err() != nil || p.unknown >= maxUnknown {
			return
		}
		p.pause()
	}
	p.r.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
	for _, m := range holds {
		if p.r.IntN(3) == 0 {
			p.finish(linear.Call{Verb: linear.Release, Group: m.GroupID, ID: m.Body, Attempt: in.Attempt}, func(ctx context.Context, r *run, def *registry.Queue) ([]error, error) {
				return r.svc.ChangeVisibility(ctx, def, []partition.VisibilityChange{{Receipt: m.Receipt}})
			})
		} else {
			p.finish(linear.Call{Verb: linear.Delete, Group: m.GroupID, ID: m.Body}, func(ctx context.Context, r *run, def *registry.Queue) ([]error, error) {
				return r.svc.Delete(ctx, def, []string{m.Receipt})
			})
		}
	}
}

// finish deletes or releases a message, again until it is answered.
func (p *player) finish(in linear.Call, fn func(context.Context, *run, *registry.Queue) ([]error, error)) {
	for try := 0; p.unknown < maxUnknown; try++ {
		start := time.Now()
		errs, _, err := on(&p.client, p.node(), linearQueue, sendVerb, patience, fn)
		out := linear.Result{}
		if err == nil {
			out.Refused = errs[0] != nil
		}
		if out.Refused && in.Verb == linear.Delete && try == 0 {
			p.s.book.fault("linear.fifo: the receipt of %s was refused: %v", in.ID, errs[0])
		}
		if !out.Refused || in.Verb == linear.Release {
			p.note(in, start, out, err)
		}
		if err == nil {
			return
		}
		p.pause()
	}
}

// checkLinear checks a history, outside of the bubble since the checker has
// limits in real time.
func checkLinear(ops []porcupine.Operation) (faults []string) {
	for _, g := range linearGroups {
		verdict, info := porcupine.CheckOperationsVerbose(linear.Model(g), ops, 2*time.Second)
		if verdict == porcupine.Illegal {
			faults = append(faults, fmt.Sprintf("linear.fifo, group %s: the history is not linearizable\n%s", g, linear.Story(ops, g, info)))
		}
	}
	return faults
}
