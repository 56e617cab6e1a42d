package main

// mutant is one fault put into the source.
type mutant struct {
	name string
	file string
	// old is replaced by new; it must stand exactly once in the file.
	old, new string
	// also is replaced in the same way: what one line of defence lets through
	// another one may hold up.
	also []edit
	// known says that it is a fault that the product once had.
	known bool
}

// edit is one more text to be replaced.
type edit struct{ file, old, new string }

func (m *mutant) edits() []edit { return append([]edit{{m.file, m.old, m.new}}, m.also...) }

const (
	state    = "internal/partition/state/"
	owner    = "internal/partition/owner/"
	journal  = "internal/journal/"
	machine  = "internal/queue/"
	registry = "internal/registry/"
	lease    = "internal/lease/"
	topics   = "internal/topic/"
	buses    = "internal/bus/"
	inlet    = "internal/inlet/"
)

// noOpening has a claim take the log's first entry for one that counts: the second
// line of defence behind trimming that leaves it there.
var noOpening = edit{journal + "claim.go", "\t\tif h.number > 0 && former != \"\" && former != h.writer || h.number == 0 && h.late > 0 {\n", "\t\tif former != \"\" && h.number > MaxInFlightLimit {\n"}

// mutants is the list. One whose text is not found any more fails the command:
// follow the source, don't take it off.
var mutants = []mutant{
	// Faults that there once were.
	{known: true, name: "a queue that this node does not know is dropped at take-over", file: owner + "definitions.go",
		old: "\tcase q.Ref.Kind == state.KindQueue:\n\t\to.addOrphan(q)\n", new: "\tcase q.Ref.Kind == state.KindQueue:\n\t\to.drop(q)\n"},
	{known: true, name: "a take-over does not wait for the registry, and drops what it lacks", file: owner + "definitions.go",
		old: "\terr := o.cfg.Registry.Require(waiting, revision)\n\tcancel()", new: "\tvar err error\n\tcancel()\n\t_, _ = waiting, revision\n\tdefer func() {\n\t\to.mu.Lock()\n\t\tfor _, x := range o.orphans {\n\t\t\to.drop(x.q)\n\t\t}\n\t\to.mu.Unlock()\n\t}()"},
	{known: true, name: "an outbox keeps no order: later parcels go first", file: state + "post.go",
		old: "\t\tlist = append(list, Parcel{Key: m.Key, At: m, Places: places})\n", new: "\t\tlist = append([]Parcel{{Key: m.Key, At: m, Places: places}}, list...)\n"},
	{known: true, name: "what was not accepted leaves the outbox, too", file: owner + "forward.go",
		old: "\tout, err := o.cfg.HandOver(ctx, p, in)\n\tif err != nil {\n\t\treturn false, err\n\t}\n", new: "\tout, err := o.cfg.HandOver(ctx, p, in)\n\tif err != nil {\n\t\tout.Mark = 1 << 62\n\t}\n"},
	{known: true, name: "an answer may exceed max_payload", file: "internal/partition/service.go",
		old: "\treturn s.cfg.Conn.MaxPayload() - envelopeBytes - maxBatch*owner.DeliveredBytes\n", new: "\treturn 1 << 30\n"},
	{name: "moments that callers name are of the owner's time", file: owner + "clock.go",
		old: "\tahead := o.st.Now() - state.Time(o.cfg.Wall().UnixMilli())", new: "\tahead := state.Time(0)"},
	{known: true, name: "timers follow a wall clock that steps", file: owner + "owner.go",
		old: "\treturn o.started.at + state.Time((o.cfg.Elapsed()-o.started.elapsed)/time.Millisecond)", new: "\treturn state.Time(o.cfg.Wall().UnixMilli())"},
	{known: true, name: "a fenced owner refuses from old state", file: owner + "change.go",
		old: "\tif failure := durable(commit); failure != nil {\n\t\treturn failure\n\t}\n\treturn err\n", new: "\tif err != nil {\n\t\treturn err\n\t}\n\treturn durable(commit)\n"},
	{known: true, name: "a log that was trimmed up to an entry that does not count is refused", file: journal + "claim.go",
		old: "\t\tj.ring.pass(e.Seq)\n", new: "", also: []edit{noOpening}},
	{known: true, name: "a claim does not tell which entries before it do not count", file: journal + "claim.go",
		old: "\tsetLate(data, late)\n", new: ""},
	{known: true, name: "an append that is answered early makes room for another", file: journal + "writer.go",
		old: "\tif j.sent >= j.cfg.MaxInFlight {\n", new: "\tif j.inFlight >= j.cfg.MaxInFlight {\n"},
	{known: true, name: "rewriting loses receive attempt ids", file: state + "rewrite.go",
		old: "\tif !p.FIFO || !p.inFlight {\n\t\treturn\n\t}\n", new: "\tif p.FIFO {\n\t\treturn\n\t}\n"},
	{known: true, name: "the give-back of a gone client takes what its next attempt received", file: owner + "attempt.go",
		old: "\tif !u.answered && u.pending > 0 {\n", new: "\tif !u.answered && u.pending > 1000 {\n"},
	{name: "the conditions of a post are not asked", file: owner + "condition.go",
		old: "m.Key != c.Key {\n", new: "m.Key != c.Key && c.Key == ^uint64(0) {\n"},
	{name: "what a condition removes stays", file: owner + "condition.go",
		old: "\t\t\to.st.Cancel(o.st.Open(c.Queue), c.Name)\n", new: ""},
	{name: "what is read by name need not be durable", file: owner + "browse.go",
		old: "\tout.Found = kept\n\treturn out, durable(commit)\n", new: "\tout.Found = kept\n\t_ = commit\n\treturn out, nil\n"},
	{name: "nobody looks again when a pace lets go", file: state + "review.go",
		old: "\t\tif wait != 0 && (!ok || wait < at) {\n", new: "\t\tif wait < 0 {\n"},
	{name: "a list of names begins again where a bucket ends", file: "internal/queue/walk.go",
		old: "\t\tat = last + 1\n", new: "\t\tif at = last + 1; n == 0 {\n\t\t\treturn false\n\t\t}\n"},
	{known: true, name: "a late request of an attempt gives back what an earlier one was answered with", file: owner + "attempt.go",
		old: "\tcase u == nil:\n\t\treturn nil\n", new: "\tcase u == nil:\n\t\tu = &attemptUse{}\n"},

	{known: true, name: "a repeated attempt gets nothing while another receive waits", file: owner + "receive.go",
		old: "\tif o.waiters[q].len() == 0 || t.attempt != nil {", new: "\tif o.waiters[q].len() == 0 {"},
	{known: true, name: "the account of admitted bytes drifts after refusals", file: owner + "change.go",
		old: "\t\to.leave(bytes)\n\t\treturn ErrBusy\n", new: "\t\to.leave(bytes)\n\t\to.admittedBytes.Add(-int64(bytes))\n\t\treturn ErrBusy\n"},
	{known: true, name: "a damaged partition stops the others of its node", file: lease + "keeper.go",
		old: "\t\treturn k.releaseDamaged(ctx, p, l, rev, damage)\n", new: "\t\tfor _, r := range k.runs.list() {\n\t\t\tr.stop(true)\n\t\t}\n\t\treturn nil\n"},
	{known: true, name: "a second process takes the name of one that lives", file: lease + "name.go",
		old: "\t\t\tif lives {\n", new: "\t\t\tif lives && rev == 0 {\n"},
	{known: true, name: "nothing bounds what waits in memory", file: owner + "post.go",
		old: "\tif o.cfg.Memory.Full() {\n", new: "\tif o.cfg.Memory.Full() && targets == 0 {\n"},
	{known: true, name: "a definition that changed while a partition was loaded is missed", file: owner + "definitions.go",
		old: "\tfor _, q := range list {\n\t\tif !o.reconcileQueue(q) {\n\t\t\treturn\n\t\t}\n\t}\n", new: "",
		also: []edit{{owner + "definitions.go", "\t\tterms, _ := o.terms(q.Ref) // none: nothing expires or dies\n\t\to.st.Configure(q, terms)\n", ""}}},
	{known: true, name: "definitions that were cut short are taken as they are", file: registry + "load.go",
		old: "\tknown, err := r.readMark(ctx)\n", new: "\tknown, err := r.readMark(ctx)\n\tknown = mark{}\n"},

	{known: true, name: "stopping one partition holds up the beats of all", file: lease + "name.go",
		old: "\t\t// A beat that gets lost leaves time for another one within the lease.\n", new: "\t\tfor _, r := range k.runs.list() {\n\t\t\tr.mu.Lock()\n\t\t\tstops := r.stops\n\t\t\tr.mu.Unlock()\n\t\t\tif stops {\n\t\t\t\t<-r.done\n\t\t\t}\n\t\t}\n"},
	{known: true, name: "exhausted messages stay visible after a restart until the next receive", file: owner + "definitions.go",
		old: "\tkeys := o.st.Exhausted(q)\n", new: "\tvar keys []uint64\n",
		also: []edit{
			// The log is replayed, and time passes, by terms that are not known yet.
			{state + "state.go", "\t\t\tterms = Terms{FIFO: fifo}\n", "\t\t\tterms = Terms{FIFO: fifo}\n\t\t} else if r.Kind == KindQueue {\n\t\t\tterms.MaxReceives = 0\n"},
			{owner + "definitions.go", "\t\tterms, _ := o.terms(q.Ref) // none: nothing expires or dies\n", "\t\to.tick()\n\t\to.st.Advance(q)\n\t\tterms, _ := o.terms(q.Ref)\n"},
		}},
	{known: true, name: "a flipped bit in the definitions is taken as it is", file: registry + "entry.go",
		old: "\tif e.sum != checksum(b[end:]) {\n\t\treturn nil, errEntryChecksum\n\t}\n", new: "\te.sum = checksum(b[end:])\n",
		also: []edit{{registry + "sealed.go", "\tif crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {\n\t\treturn sealed{}, errChecksum\n\t}\n", ""}}},
	{known: true, name: "receives eat the reserve of a full disk", file: owner + "limits.go",
		old: "\tif s.Level() >= SpaceEnd {\n", new: "\tif s.Level() > SpaceEnd {\n"},

	// Others, of what matters most.
	{name: "deduplication across partitions goes by the clock of the one that takes in", file: owner + "forward.go",
		old: "\t\tplace.Dedup = place.Dedup.TakenIn(place.Sent, o.st.Now())\n", new: ""},
	{name: "a log that was cut short is taken as it is", file: "internal/partition/service.go",
		old: "\t\tleast := s.keeper.Least(p)\n", new: "\t\tleast := min(s.keeper.Least(p), 0)\n"},
	{name: "what left memory stays in its account", file: owner + "limits.go",
		old: "\t\to.cfg.Memory.add(u.Bytes-o.held, u.Messages-o.heldMessages)\n", new: "\t\to.cfg.Memory.add(max(u.Bytes-o.held, 0), max(u.Messages-o.heldMessages, 0))\n"},
	{name: "another try does not wait", file: owner + "take.go",
		old: "\t\t\t\tat = o.st.Now() + kind.backoff(e.Receive)\n", new: "\t\t\t\tat = o.st.Now() + 0*kind.backoff(e.Receive)\n"},
	{name: "what a service gave up is dropped", file: owner + "config.go",
		old: "\t\t\tt.Dead, t.DeadFIFO, t.Discard = &to, fifo, false\n", new: "\t\t\t_, _ = to, fifo\n"},
	{name: "answers are given before the append is durable", file: owner + "change.go",
		old: "\t<-c.Done()\n\terr := c.Err()\n\tswitch {\n", new: "\tselect {\n\tcase <-c.Done():\n\tdefault:\n\t\treturn nil\n\t}\n\terr := c.Err()\n\tswitch {\n"},
	{name: "an empty answer is not proven", file: owner + "receive.go",
		old: "\t\tcase err == nil && o.provenAt.Load() >= int64(start):", new: "\t\tcase err == nil && start >= 0:"},
	{name: "a claim writes one fence only", file: journal + "claim.go",
		old: "number < MaxInFlightLimit; {", new: "number < 1; {"},
	{name: "an entry of a fenced writer makes it the owner again", file: journal + "claim.go",
		old: "\tcase h.writer != p.writer:\n\t\treturn false, nil\n", new: "\tcase h.writer != p.writer:\n\t\tp.writer = h.writer\n"},
	{name: "another's entry is taken for the own one", file: journal + "resolve.go",
		old: "\t\t\tif e.ID == id {", new: "\t\t\tif e.ID != \"\" {"},
	{name: "an append that is not there is taken for stored", file: journal + "resolve.go",
		old: "\t\tif what == stored {\n", new: "\t\tif what != foreign {\n"},
	{name: "an append that was not answered is given up as stored", file: journal + "writer.go",
		old: "\tb.answered, b.err = true, err\n", new: "\tif retryable(err) {\n\t\terr = nil\n\t}\n\tb.answered, b.err = true, err\n"},
	{name: "one append too many is trimmed", file: journal + "trim.go",
		old: "\t\terr := j.cfg.Log.Purge(limited, to)\n", new: "\t\terr := j.cfg.Log.Purge(limited, to+1)\n"},
	{name: "trimming does not wait for the facts by which items died", file: journal + "trim.go",
		old: "\t\t\tif j.flushed(ctx) != nil {\n\t\t\t\treturn\n\t\t\t}\n", new: ""},
	{name: "a damaged entry is passed over", file: journal + "claim.go",
		old: "\th, err := decode(e.Seq, e.Data, own.writer)\n\tif err != nil {\n\t\treturn 0, err\n\t}\n", new: "\th, err := decode(e.Seq, e.Data, own.writer)\n\tif err != nil {\n\t\tj.ring.add(e.Seq, len(e.Data))\n\t\town.next++\n\t\treturn 0, nil\n\t}\n"},
	{name: "parcels are accepted twice", file: owner + "forward.go",
		old: "\t\tif p.Key <= o.st.Mark(in.From) {\n\t\t\tcontinue\n\t\t}\n", new: ""},
	{name: "the mark of a partition is not replayed", file: state + "replay.go",
		old: "\t\t\ts.mark(from, key, at.Append)\n", new: "\t\t\t_, _ = from, key\n"},
	{name: "payloads are released when they are received", file: state + "receive.go",
		old: "\t\tq.Counted.Received += uint64(len(got))\n", new: "\t\tq.Counted.Received += uint64(len(got))\n\t\tfor i := range got {\n\t\t\ts.cfg.Log.Release(got[i].Append, int(got[i].Len))\n\t\t}\n"},
	{name: "rewriting loses deduplication ids", file: state + "rewrite.go",
		old: "\t\t\tdedup = p.Dedup\n", new: "\t\t\t_ = o\n"},
	{name: "rewriting loses ids whose messages are gone", file: state + "rewrite.go",
		old: "\tif !ok || o.Append != at {\n\t\treturn\n\t}\n", new: "\tif ok || !ok {\n\t\treturn\n\t}\n"},
	{name: "rewriting loses receive counts", file: state + "rewrite.go",
		old: "receives: m.Receives, first:", new: "receives: 0, first:"},
	{name: "rewriting loses dead letters", file: state + "rewrite.go",
		old: "slices.Clone(s.strays[at])", new: "slices.Clone(s.strays[Pos{}])"},
	{name: "a purge is not replayed", file: state + "replay.go",
		old: "\t\t\tif q.m != nil {\n\t\t\t\ts.discard(q, q.m.Empty())\n\t\t\t}\n", new: ""},
	{name: "a receive is not replayed", file: state + "replay.go",
		old: "\t\tq.m.ApplyReceive(s.now, m.Key, m.Receives, m.FirstReceived, last, f.hidden)\n", new: "\t\t_ = last\n"},
	{name: "a change of visibility is not replayed", file: state + "replay.go",
		old: "\t\t\tq.m.ApplyVisibility(s.now, key, until)\n", new: "\t\t\t_ = until\n"},
	{name: "a dead letter's move is not written", file: state + "receive.go",
		old: "\ts.putMoved(&f)\n", new: ""},
	{name: "a group with a message in flight is open to others", file: machine + "receive.go",
		old: "\t\t\te := m.entries.at(i)\n\t\t\tif e.state != visible {\n\t\t\t\tbreak\n\t\t\t}\n\t\t\tnext := e.line.next\n", new: "\t\t\te := m.entries.at(i)\n\t\t\tif e.state != visible {\n\t\t\t\ti = e.line.next\n\t\t\t\tcontinue\n\t\t\t}\n\t\t\tnext := e.line.next\n"},
	{name: "a name that is not in memory does not exist", file: registry + "table.go",
		old: "\tif err := t.r.Sync(ctx); err != nil {\n\t\treturn nil, fmt.Errorf(\"registry: find", new: "\tif err := ctx.Err(); err != nil {\n\t\treturn nil, fmt.Errorf(\"registry: find"},

	// Of topics and buses.
	{name: "a FIFO topic does not ask its ledger", file: topics + "publish.go",
		old: "\t\tnext.item.Once = true\n", new: ""},
	{name: "rewriting loses what ledgers remember", file: state + "rewrite.go",
		old: "\tif !ok || o.Append != at {\n", new: "\tif !ok || o.Append != at || r.Kind >= FirstService {\n"},
	{name: "a duplicate is answered with an id of its own", file: topics + "publish.go",
		old: "\t\t\t\tp.results[x.at].ID = posted[i].Answer\n", new: ""},
	{name: "filter policies are ignored", file: topics + "fanout.go",
		old: "\tfor _, id := range ids {\n\t\tlist = append(list, f.members[id])\n\t}\n", new: "\tfor _, m := range f.members {\n\t\tif m.def.FilterPolicy != \"\" {\n\t\t\tlist = append(list, m)\n\t\t}\n\t}\n"},
	{name: "what a subscription's queue does not take is not dead-lettered", file: topics + "publish.go",
		old: "\t\tburied := false\n\t\tif to.def.RedriveARN != \"\" {\n", new: "\t\tburied := false\n\t\tif to.def.RedriveARN != \"\" && !to.def.Raw {\n"},
	{name: "a publish that got no answer is posted again", file: topics + "publish.go",
		old: "\tposted, err := p.s.parts.Post(ctx, p.from(batch), items)\n", new: "\tposted, err := p.s.parts.Post(ctx, p.from(batch), items)\n\tif errors.Is(err, partition.ErrUnavailable) {\n\t\tposted, err = p.s.parts.Post(ctx, p.from(batch), items)\n\t}\n"},
	{name: "the policy of a subscription's queue is not asked", file: topics + "publish.go",
		old: "\tif !s.cfg.Access.Enforces() {\n", new: "\tif s.cfg.Access.Enforces() || q != nil {\n"},
	{name: "subscriptions of a topic that was deleted stay", file: topics + "sweep.go",
		old: "\t\t\terr = s.remove(ctx, list, func(*registry.Subscription) bool { return true })\n", new: ""},
	{name: "a subscription is that of a topic which had the name before", file: topics + "subscribe.go",
		old: "strconv.FormatUint(topic, 16)", new: "strconv.FormatUint(0*topic, 16)"},
	{name: "a rule that changed is what it was", file: buses + "router.go",
		old: "\ts.router(at, true).put(name, made, compiled)\n", new: "\tif old == nil {\n\t\ts.router(at, true).put(name, made, compiled)\n\t}\n"},
	{name: "a rule that is disabled gets events", file: buses + "router.go",
		old: "\tif def.Disabled || def.Pattern == \"\" {\n", new: "\tif def.Pattern == \"\" {\n",
		also: []edit{{buses + "router.go", " && !made.def.Disabled", ""}}},
	{name: "targets of one event are not told apart", file: buses + "payload.go",
		old: "fmt.Appendf(nil, \"%x %s\", rule, target)", new: "fmt.Appendf(nil, \"%x %s\", rule>>63>>1, target[:1])"},
	{name: "what a target's queue does not take is not dead-lettered", file: buses + "dead.go",
		old: "\tif t.def.DeadLetterARN == \"\" {\n", new: "\tif t.def.DeadLetterARN == \"\" || t.path != nil {\n"},
	{name: "events that got no answer are posted again", file: inlet + "post.go",
		old: "\tposted, err := p.to.Post(ctx, busiest(items), items)\n", new: "\tposted, err := p.to.Post(ctx, busiest(items), items)\n\tif errors.Is(err, partition.ErrUnavailable) {\n\t\tposted, err = p.to.Post(ctx, busiest(items), items)\n\t}\n"},
}
