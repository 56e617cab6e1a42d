package bus

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// replayVisibility is after what time another node goes on with a replay whose node
	// died; a node that lives says so every replayExtend.
	replayVisibility = 30 * time.Second
	replayExtend     = 10 * time.Second
	// replaySave is how often it is noted how far a replay has come.
	replaySave = time.Second
	// replayBatch events are put at a time, of up to replayBytes.
	replayBatch = 50
	replayBytes = 512 << 10
	// outcomeTime is how long it may take to note what became of a replay.
	outcomeTime = 10 * time.Second
)

// recipients are who gets a replayed event.
type recipients struct {
	name  []byte          // of the replay, as JSON
	rules map[string]bool // ARNs; nil: all
}

// chosen are the targets that get a replayed event, or one that is none (nil).
func (r *recipients) chosen(list []*target) []*target {
	if r == nil || r.rules == nil {
		return list
	}
	return slices.DeleteFunc(list, func(t *target) bool { return !r.rules[t.rule.source.ARN] })
}

// replayed is an archived event as it is replayed: with the name of the replay.
func replayed(text, name []byte) (*document, error) {
	at := bytes.Index(text, []byte(`,"detail":`)) // as with eventTime
	if at < 0 {
		return nil, ErrEvent
	}
	d := &document{}
	d.text = make([]byte, 0, len(text)+len(name)+16)
	d.text = append(append(append(d.text, text[:at]...), `,"replay-name":`...), name...)
	d.at = len(d.text)
	d.text = append(d.text, text[at:]...)
	return d, nil
}

// carryOut carries out the replay that a message tells of, as far as this node can.
func (s *Service) carryOut(ctx context.Context, q partition.Target, m *partition.Delivered) {
	done, err := s.replayTold(ctx, q, m)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("a replay goes on later", logkey.Resource, string(m.Payload), logkey.Error, err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	if done {
		_, err = s.parts.Ack(ending, q, []partition.Receipt{m.Receipt})
	} else {
		at := s.cfg.Now()
		if ctx.Err() == nil {
			at = at.Add(takeAgain)
		}
		_, err = s.parts.Retry(ending, q, []partition.RetryEntry{{Receipt: m.Receipt, At: partition.Milliseconds(at)}})
	}
	if err != nil {
		s.log.Debug("a replay is told again", logkey.Resource, string(m.Payload), logkey.Error, err)
	}
}

// replayTold reports whether there is nothing more to do.
func (s *Service) replayTold(ctx context.Context, q partition.Target, m *partition.Delivered) (done bool, err error) {
	id, err := strconv.ParseUint(string(m.Payload), 16, 64)
	if err != nil {
		return true, err
	}
	def, ok := s.reg.Replays().ByID(id)
	if !ok {
		return s.reg.Replays().Gone(ctx, id, 0)
	}
	if !def.Active() {
		return true, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.keepReplay(ctx, cancel, q, m)
	}()
	defer func() {
		cancel()
		<-kept
	}()
	return s.replay(ctx, def)
}

// keepReplay hides the message of a replay from other nodes until ctx ends, and cancels
// it when another has it.
func (s *Service) keepReplay(ctx context.Context, cancel func(), q partition.Target, m *partition.Delivered) {
	timer := time.NewTicker(replayExtend)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		out, err := s.parts.Extend(ctx, q, []partition.Receipt{m.Receipt}, replayVisibility)
		if err == nil && out[0] != nil {
			cancel()
			return
		}
	}
}

// player replays.
type player struct {
	s       *Service
	def     *registry.Replay // as it was noted last
	archive *registry.Archive
	bus     *registry.Bus
	to      recipients
	parts   []*cursor
	last    int64 // time of the latest event that was replayed
	saved   time.Time
}

// replay carries out a replay and reports whether it has ended.
func (s *Service) replay(ctx context.Context, def *registry.Replay) (ended bool, err error) {
	p := &player{s: s, def: def, last: def.Last}
	p.to.name = quote(def.Name)
	if len(def.Rules) > 0 {
		p.to.rules = make(map[string]bool, len(def.Rules))
		for _, arn := range def.Rules {
			p.to.rules[arn] = true
		}
	}
	why, err := p.find(ctx)
	if err != nil {
		return false, err
	}
	if why != "" {
		return p.end(ctx, registry.ReplayFailed, why)
	}
	if err := p.begin(ctx); err != nil {
		return false, err
	}
	for {
		cancelled, why, err := p.asked(ctx)
		switch {
		case err != nil:
			return false, err
		case cancelled:
			return p.end(ctx, registry.ReplayCancelled, "")
		case why != "":
			return p.end(ctx, registry.ReplayFailed, why)
		}
		c, err := p.nearest(ctx)
		if err != nil {
			return false, p.interrupted(ctx, err)
		}
		if c == nil {
			return p.end(ctx, registry.ReplayCompleted, "")
		}
		if again, err := p.play(ctx, c); errors.Is(err, errChunk) {
			return p.end(ctx, registry.ReplayFailed, "A part of the archive is damaged.")
		} else if err != nil {
			return false, p.interrupted(ctx, err)
		} else if again {
			continue // it was cancelled in the middle
		}
		if s.cfg.Now().Sub(p.saved) >= replaySave {
			if err := p.save(ctx); err != nil {
				return false, err
			}
		}
	}
}

// find finds archive and bus; why says why that cannot be.
func (p *player) find(ctx context.Context) (why string, err error) {
	r, _ := registry.ParseARN(p.def.ArchiveARN)
	a, err := p.s.Archive(ctx, r.Account, r.Region, r.Name)
	switch {
	case errors.Is(err, ErrNoArchive), err == nil && a.ID != p.def.Archive:
		return "The archive was deleted.", nil
	case err != nil:
		return "", err
	}
	b, err := p.s.Find(ctx, a.Account, a.Region, a.BusName)
	switch {
	case errors.Is(err, ErrNoBus), err == nil && b.Incarnation() != a.Bus:
		return "The event bus was deleted.", nil
	case err != nil:
		return "", err
	}
	p.archive, p.bus = a, b
	return "", nil
}

// begin notes what there is to replay: what is archived until now.
func (p *player) begin(ctx context.Context) error {
	p.saved = p.s.cfg.Now()
	next, end := p.def.Next, p.def.End
	if end == nil {
		for id := range p.s.parts.Count() {
			if _, err := p.s.pack(ctx, toPack{p.archive.ID, id}, true); err != nil {
				return err
			}
			_, key, err := p.s.tally(ctx, p.archive.ID, id)
			if err != nil {
				return err
			}
			// The tally is posted behind its chunk.
			next, end = append(next, 1), append(end, max(key, 1))
		}
		now, err := p.change(ctx, func(r *registry.Replay) error {
			if r.State == registry.ReplayStarting {
				r.State = registry.ReplayRunning
			}
			r.Next, r.End = next, end
			return nil
		})
		if err != nil {
			return err
		}
		p.def = now
	}
	for id := range p.def.End {
		p.parts = append(p.parts, &cursor{
			s: p.s, archive: p.archive, partition: uint32(id), next: p.def.Next[id], end: p.def.End[id], from: p.def.From, to: p.def.To,
		})
	}
	return nil
}

// change changes the replay's definition, as long as it has not ended.
func (p *player) change(ctx context.Context, change func(*registry.Replay) error) (*registry.Replay, error) {
	d := p.def
	return p.s.reg.Replays().Update(ctx, d.Account, d.Region, d.Name, func(r *registry.Replay) error {
		if r.ID != d.ID || !r.Active() {
			return ErrReplayEnded
		}
		return change(r)
	})
}

// progress puts into a definition how far the replay has come.
func (p *player) progress(r *registry.Replay) {
	r.Last = max(r.Last, p.last)
	for i, c := range p.parts {
		if i < len(r.Next) {
			r.Next[i] = max(r.Next[i], c.next)
		}
	}
}

// save notes how far the replay has come.
func (p *player) save(ctx context.Context) error {
	_, err := p.change(ctx, func(r *registry.Replay) error {
		p.progress(r)
		return nil
	})
	p.saved = p.s.cfg.Now()
	return ended(err)
}

// end notes that the replay has ended, and reports whether that was possible.
func (p *player) end(ctx context.Context, state, why string) (bool, error) {
	_, err := p.change(ctx, func(r *registry.Replay) error {
		p.progress(r)
		r.State, r.Reason, r.Ended = state, why, p.s.cfg.Now().UnixMilli()
		return nil
	})
	err = ended(err)
	return err == nil, err
}

// ended takes it for no error that another node noted the end, or that the replay is gone.
func ended(err error) error {
	if errors.Is(err, ErrReplayEnded) || errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// interrupted notes how far the replay has come when it does not go on here.
func (p *player) interrupted(ctx context.Context, err error) error {
	saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	if failed := p.save(saving); failed != nil {
		p.s.log.Debug("it cannot be noted how far a replay has come", logkey.Resource, p.def.ARN(), logkey.Error, failed)
	}
	return err
}

// asked reports whether the replay is to be cancelled, or cannot go on and why.
func (p *player) asked(ctx context.Context) (cancelled bool, why string, err error) {
	if ctx.Err() != nil {
		return false, "", p.interrupted(ctx, ctx.Err())
	}
	cancelled = p.cancelled()
	if _, ok := p.s.reg.Archives().ByID(p.archive.ID); !ok && !cancelled {
		gone, err := p.s.reg.Archives().Gone(ctx, p.archive.ID, p.archive.Revision)
		if err != nil {
			return false, "", err
		}
		if gone {
			why = "The archive was deleted."
		}
	}
	return cancelled, why, nil
}

// nearest is the partition whose next events are the oldest; nil: there are no more.
func (p *player) nearest(ctx context.Context) (best *cursor, err error) {
	for _, c := range p.parts {
		if err := c.advance(ctx); err != nil {
			return nil, err
		}
		if len(c.page) > 0 && (best == nil || c.page[0].span.first < best.page[0].span.first) {
			best = c
		}
	}
	return best, nil
}

// play replays the next chunk of a partition, and reports whether it broke off since the
// replay is to be cancelled.
func (p *player) play(ctx context.Context, c *cursor) (brokeOff bool, err error) {
	list, err := c.read(ctx)
	if err != nil {
		return false, err
	}
	oldest := p.s.oldest(p.archive)
	type timed struct {
		archivedEvent
		time int64
	}
	var events []timed
	for _, e := range list {
		if t := eventTime(e.text); t >= p.def.From && t <= p.def.To && e.at >= oldest {
			events = append(events, timed{e, t})
		}
	}
	slices.SortStableFunc(events, func(a, b timed) int { return cmp.Compare(a.time, b.time) })
	for len(events) > 0 {
		n, size := 0, 0
		for n < len(events) && n < replayBatch && (n == 0 || size+len(events[n].text) <= replayBytes) {
			size += len(events[n].text)
			n++
		}
		batch := make([]archivedEvent, n)
		for i := range batch {
			batch[i] = events[i].archivedEvent
		}
		for failures := 0; len(batch) > 0; failures++ {
			if failures > 0 {
				p.s.log.Debug("archived events cannot be replayed for the moment", logkey.Resource, p.def.ARN(), logkey.Error, err)
				pause(ctx, min(50*time.Millisecond<<min(failures, 6), 2*time.Second))
			}
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if p.cancelled() {
				return true, nil
			}
			batch, err = p.s.putReplayed(ctx, p.bus, &p.to, batch)
		}
		p.last = max(p.last, events[n-1].time)
		events = events[n:]
	}
	c.done()
	return false, nil
}

func (p *player) cancelled() bool {
	now, ok := p.s.reg.Replays().ByID(p.def.ID)
	return ok && now.State == registry.ReplayCancelling
}

// putReplayed puts archived events on their bus. Those that are left could not be put, for
// a reason that passes.
func (s *Service) putReplayed(ctx context.Context, b *registry.Bus, to *recipients, events []archivedEvent) (left []archivedEvent, why error) {
	p := &putting{s: s, results: make([]Result, len(events)), now: s.cfg.Now()}
	defer p.leave()
	for i := range events {
		e := &events[i]
		d := &delivery{s: s, put: p, at: i, now: p.now, trace: e.trace, replay: to, counted: Counted{Replayed: 1}}
		var err error
		if d.event, err = replayed(e.text, to.name); err == nil {
			var head struct {
				Source     string `json:"source"`
				DetailType string `json:"detail-type"`
			}
			_ = json.Unmarshal(d.event.bare(), &head) // what was archived is JSON
			d.source, d.detailType = head.Source, head.DetailType
			err = d.distribute(ctx, b)
		}
		if p.results[i].Err = err; err == nil {
			p.add(ctx, d)
		}
	}
	p.post(ctx)
	s.cfg.Observe(p.counted)
	for i := range p.results {
		switch err := p.results[i].Err; {
		case err == nil:
		case errors.Is(err, ErrEvent), errors.Is(err, partition.ErrTooLarge):
			s.log.Warn("an archived event cannot be replayed", logkey.Resource, b.ARN(), logkey.Error, err)
		default:
			left, why = append(left, events[i]), err
		}
	}
	return left, why
}
