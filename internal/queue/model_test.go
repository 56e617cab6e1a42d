package queue

import (
	"cmp"
	"math"
	"slices"
)

// model is the queue written down plainly: slices, linear scans, nothing kept
// that can be looked up. It is what Machine is compared with.
type model struct {
	cfg      Config
	nextKey  uint64
	messages []*modelMessage
	lines    map[string][]uint64 // standard: visible messages per group, in order
	ring     []string            // groups that can be served, in the order of turns
	memories []*modelMemory
	replaced []Original
	attempts []*modelAttempt
}

type modelMessage struct {
	Message
	state state // visible, delayed, inFlight; 0 while being received
}

type modelMemory struct {
	id DedupID
	Original
}

type modelAttempt struct {
	id      DedupID
	expires Time
	keys    []uint64
}

func newModel(cfg Config) *model {
	return &model{cfg: cfg, nextKey: 1, lines: map[string][]uint64{}}
}

func (o *model) limit() int {
	if o.cfg.MaxInFlight <= 0 {
		return DefaultMaxInFlight
	}
	return o.cfg.MaxInFlight
}

func (o *model) find(key uint64) *modelMessage {
	for _, x := range o.messages {
		if x.Key == key {
			return x
		}
	}
	return nil
}

func (o *model) count(s state) (n int) {
	for _, x := range o.messages {
		if x.state == s {
			n++
		}
	}
	return n
}

func (o *model) exhausted(x *modelMessage) bool {
	return o.cfg.MaxReceives > 0 && int(x.Receives) >= o.cfg.MaxReceives
}

// ready returns the messages of a group that can be received, in the order of
// service. On a FIFO queue those are the visible ones with keys below that of
// every message of the group that is not visible.
func (o *model) ready(group string) (out []*modelMessage) {
	if !o.cfg.FIFO {
		for _, key := range o.lines[group] {
			out = append(out, o.find(key))
		}
		return out
	}
	blocked := uint64(math.MaxUint64)
	for _, x := range o.messages {
		if x.Group == group && x.state != visible {
			blocked = min(blocked, x.Key)
		}
	}
	for _, x := range o.messages {
		if x.Group == group && x.Key < blocked {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b *modelMessage) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// check gives a group that became open the last turn.
func (o *model) check(group string) {
	open, in := len(o.ready(group)) > 0, slices.Contains(o.ring, group)
	if open && !in {
		o.ring = append(o.ring, group)
	}
	if !open && in {
		o.ring = slices.DeleteFunc(o.ring, func(g string) bool { return g == group })
	}
}

func (o *model) setState(x *modelMessage, s state, at Time) {
	if x.state == visible && !o.cfg.FIFO {
		o.lines[x.Group] = slices.DeleteFunc(o.lines[x.Group], func(k uint64) bool { return k == x.Key })
	}
	if x.state == inFlight {
		o.attempts = slices.DeleteFunc(o.attempts, func(a *modelAttempt) bool { return slices.Contains(a.keys, x.Key) })
	}
	x.state, x.VisibleAt, x.InFlight = s, at, s == inFlight
	if s == visible && !o.cfg.FIFO {
		o.lines[x.Group] = append(o.lines[x.Group], x.Key)
	}
}

func (o *model) hide(now Time, x *modelMessage, until Time) {
	if until > now || o.exhausted(x) {
		o.setState(x, inFlight, until)
	} else {
		o.setState(x, visible, 0)
	}
	o.check(x.Group)
}

func (o *model) drop(x *modelMessage) Message {
	msg := x.Message
	o.setState(x, 0, 0)
	o.messages = slices.DeleteFunc(o.messages, func(y *modelMessage) bool { return x == y })
	o.check(x.Group)
	return msg
}

func (o *model) Insert(now Time, msg Message) {
	o.nextKey = max(o.nextKey, msg.Key+1)
	if x := o.find(msg.Key); x != nil {
		x.Append, x.Offset, x.Len = msg.Append, msg.Offset, msg.Len
		return
	}
	x := &modelMessage{Message: msg}
	o.messages = append(o.messages, x)
	switch {
	case msg.InFlight:
		o.hide(now, x, msg.VisibleAt)
	case msg.VisibleAt > now:
		o.setState(x, delayed, msg.VisibleAt)
	default:
		o.setState(x, visible, 0)
	}
	o.check(x.Group)
}

func (o *model) Receive(now Time, a ReceiveArgs) (got, dead []Message, err error) {
	if a.Attempt != nil && o.cfg.FIFO {
		for _, at := range o.attempts {
			if at.id != *a.Attempt || at.expires <= now {
				continue
			}
			for _, key := range at.keys {
				x := o.find(key)
				o.setState(x, inFlight, 0) // forgets the attempt
				o.hide(now, x, a.HideUntil)
				got = append(got, x.Message)
			}
			o.attempt(now, a, at.keys)
			return got, nil, nil
		}
	}
	limit := min(max(a.Max, 1), MaxBatch, o.limit()-o.count(inFlight))
	if limit <= 0 {
		if o.cfg.FIFO {
			return nil, nil, nil
		}
		return nil, nil, ErrOverLimit
	}
	var picked []*modelMessage
	for len(picked) < limit && len(o.ring) > 0 && len(dead) < deadStep {
		group := o.ring[0]
		before := len(picked)
		for _, x := range o.ready(group) {
			if len(picked) == limit || len(dead) == deadStep || !o.cfg.FIFO && len(picked) > before {
				break
			}
			if o.exhausted(x) {
				dead = append(dead, o.drop(x))
				continue
			}
			o.setState(x, 0, 0)
			picked = append(picked, x)
		}
		if len(picked) > before {
			o.ring = slices.DeleteFunc(o.ring, func(g string) bool { return g == group })
		}
		o.check(group)
	}
	var keys []uint64
	for _, x := range picked {
		x.Receives++
		x.LastReceived = now
		if x.FirstReceived == 0 {
			x.FirstReceived = now
		}
		keys = append(keys, x.Key)
	}
	for _, x := range picked {
		o.hide(now, x, a.HideUntil)
		got = append(got, x.Message)
	}
	if a.Attempt != nil && o.cfg.FIFO && len(got) > 0 {
		o.attempt(now, a, keys)
	}
	return got, dead, nil
}

func (o *model) attempt(now Time, a ReceiveArgs, keys []uint64) {
	o.attempts = slices.DeleteFunc(o.attempts, func(at *modelAttempt) bool { return at.id == *a.Attempt })
	if a.HideUntil > now && a.AttemptExpires > now {
		o.attempts = append(o.attempts, &modelAttempt{*a.Attempt, a.AttemptExpires, keys})
	}
}

func (o *model) ChangeVisibility(now Time, key uint64, receive uint32, until Time) (Message, error) {
	x := o.find(key)
	switch {
	case x == nil:
		return Message{}, ErrNotFound
	case x.Receives != receive:
		return Message{}, ErrStale
	case x.state != inFlight || x.VisibleAt <= now:
		return Message{}, ErrNotInFlight
	}
	o.setState(x, 0, 0)
	o.hide(now, x, until)
	return x.Message, nil
}

func (o *model) Delete(now Time, key uint64, receive uint32) (Message, error) {
	x := o.find(key)
	switch {
	case x == nil:
		return Message{}, ErrNotFound
	case x.Receives != receive || receive == 0:
		return Message{}, ErrStale
	case o.cfg.FIFO && (x.state != inFlight || x.VisibleAt <= now):
		return Message{}, ErrExpired
	}
	return o.drop(x), nil
}

func (o *model) Remove(key uint64) (Message, bool) {
	if x := o.find(key); x != nil {
		return o.drop(x), true
	}
	return Message{}, false
}

func (o *model) Advance(now Time) (c Changes) {
	slices.SortFunc(o.messages, func(a, b *modelMessage) int {
		return cmp.Or(cmp.Compare(a.Sent, b.Sent), cmp.Compare(a.Key, b.Key))
	})
	for _, x := range slices.Clone(o.messages) {
		if o.cfg.Retention > 0 && x.Sent+Time(o.cfg.Retention) <= now {
			c.Expired = append(c.Expired, o.drop(x))
		}
	}
	slices.SortFunc(o.messages, func(a, b *modelMessage) int {
		return cmp.Or(cmp.Compare(a.VisibleAt, b.VisibleAt), cmp.Compare(a.Key, b.Key))
	})
	for _, x := range slices.Clone(o.messages) {
		switch {
		case x.state == visible || x.VisibleAt > now:
		case x.state == inFlight && o.exhausted(x):
			c.Dead = append(c.Dead, o.drop(x))
		default:
			o.setState(x, visible, 0)
			o.check(x.Group)
		}
	}
	c.Forgotten = append(c.Forgotten, o.replaced...)
	o.replaced = nil
	o.memories = slices.DeleteFunc(o.memories, func(r *modelMemory) bool {
		over := wholeSecond(r.kept()) <= now
		if over {
			c.Forgotten = append(c.Forgotten, r.Original)
		}
		return over
	})
	o.attempts = slices.DeleteFunc(o.attempts, func(a *modelAttempt) bool { return wholeSecond(a.expires) <= now })
	return c
}

func (o *model) Next() (Time, bool) {
	next := Time(math.MaxInt64)
	for _, x := range o.messages {
		if x.state != visible {
			next = min(next, x.VisibleAt)
		}
		if o.cfg.Retention > 0 {
			next = min(next, x.Sent+Time(o.cfg.Retention))
		}
	}
	for _, r := range o.memories {
		next = min(next, wholeSecond(r.kept()))
	}
	for _, a := range o.attempts {
		next = min(next, wholeSecond(a.expires))
	}
	return next, next != math.MaxInt64
}

func (o *model) Counts() Counts {
	c := Counts{Visible: o.count(visible), InFlight: o.count(inFlight), Delayed: o.count(delayed), Remembered: len(o.memories)}
	groups := map[string]bool{}
	for _, x := range o.messages {
		c.Bytes += int64(x.Len)
		groups[x.Group] = true
	}
	c.Groups = len(groups)
	return c
}

func (o *model) Oldest() (Time, bool) {
	oldest := Time(math.MaxInt64)
	for _, x := range o.messages {
		oldest = min(oldest, x.Sent)
	}
	if len(o.messages) == 0 {
		return 0, false
	}
	return oldest, true
}

func (o *model) Available() bool { return o.count(inFlight) < o.limit() && len(o.ring) > 0 }

// Peek returns all messages that can be received, in order.
func (o *model) Peek() (out []Message) {
	for round := 0; ; round++ {
		some := false
		for _, group := range o.ring {
			for k, x := range o.ready(group) {
				if o.cfg.FIFO && round == 0 || !o.cfg.FIFO && k == round {
					out = append(out, x.Message)
					some = true
				}
			}
		}
		if !some {
			return out
		}
	}
}

func (r *modelMemory) same(sent, expires Time) bool {
	return sent >= r.Sent && sent < r.Expires || r.Sent >= sent && r.Sent < expires
}

func (r *modelMemory) kept() Time { return r.Expires + r.Grace }

func (o *model) Duplicate(id DedupID, sent, expires Time) (first Original, ok bool) {
	for _, r := range o.memories {
		if r.id == id && r.same(sent, expires) && (!ok || r.Sent < first.Sent) {
			first, ok = r.Original, true
		}
	}
	return first, ok
}

func (o *model) Remember(id DedupID, original Original) {
	o.memories = slices.DeleteFunc(o.memories, func(r *modelMemory) bool {
		same := r.id == id && r.same(original.Sent, original.Expires)
		if same {
			o.replaced = append(o.replaced, r.Original)
		}
		return same
	})
	o.memories = append(o.memories, &modelMemory{id, original})
	var all []*modelMemory
	for _, r := range o.memories {
		if r.id == id {
			all = append(all, r)
		}
	}
	if len(all) > maxOriginals {
		first := slices.MinFunc(all, func(a, b *modelMemory) int {
			return cmp.Or(cmp.Compare(a.kept(), b.kept()), cmp.Compare(a.Expires, b.Expires))
		})
		o.replaced = append(o.replaced, first.Original)
		o.memories = slices.DeleteFunc(o.memories, func(r *modelMemory) bool { return r == first })
	}
}
