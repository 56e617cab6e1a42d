package main

// mutant is one fault put into the source.
type mutant struct {
	name string
	file string
	// old is replaced by new; it must stand exactly once in the file.
	old, new string
	// known says that it is a fault that the product once had.
	known bool
}

const (
	state    = "internal/partition/state/"
	owner    = "internal/partition/owner/"
	journal  = "internal/journal/"
	machine  = "internal/queue/"
	registry = "internal/registry/"
)

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
	{known: true, name: "timers follow a wall clock that steps", file: owner + "owner.go",
		old: "\treturn o.started.at + state.Time((o.cfg.Elapsed()-o.started.elapsed)/time.Millisecond)", new: "\treturn state.Time(o.cfg.Wall().UnixMilli())"},
	{known: true, name: "a fenced owner refuses from old state", file: owner + "change.go",
		old: "\tif failure := durable(commit); failure != nil {\n\t\treturn failure\n\t}\n\treturn err\n", new: "\tif err != nil {\n\t\treturn err\n\t}\n\treturn durable(commit)\n"},
	{known: true, name: "a trim step may end right behind an entry that does not count", file: journal + "claim.go",
		old: "\t\tj.ring.pass(e.Seq)\n", new: ""},
	{known: true, name: "rewriting loses receive attempt ids", file: state + "rewrite.go",
		old: "\tif !p.FIFO || !p.inFlight {\n\t\treturn\n\t}\n", new: "\tif p.FIFO {\n\t\treturn\n\t}\n"},
	{known: true, name: "the give-back of a gone client takes what its next attempt received", file: owner + "receive.go",
		old: "!ok || n != d.repeats {", new: "ok && n > 60000 {"},

	{known: true, name: "a repeated attempt gets nothing while another receive waits", file: owner + "receive.go",
		old: "\tif o.waiters[q].len() == 0 || t.attempt != nil {", new: "\tif o.waiters[q].len() == 0 {"},

	// Others, of what matters most.
	{name: "answers are given before the append is durable", file: owner + "change.go",
		old: "\t<-c.Done()\n\terr := c.Err()\n\tswitch {\n", new: "\tselect {\n\tcase <-c.Done():\n\tdefault:\n\t\treturn nil\n\t}\n\terr := c.Err()\n\tswitch {\n"},
	{name: "an empty answer is not proven", file: owner + "receive.go",
		old: "\t\tcase err == nil && o.provenAt.Load() >= int64(start):", new: "\t\tcase err == nil && start >= 0:"},
	{name: "a claim writes one fence only", file: journal + "claim.go",
		old: "number < MaxInFlightLimit; {", new: "number < 1; {"},
	{name: "entries of a fenced writer count", file: journal + "claim.go",
		old: "\tcase h.writer != p.writer:\n\t\treturn false, nil\n", new: "\tcase h.writer != p.writer:\n\t\treturn true, nil\n"},
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
		old: "\t\t\tdedup = Dedup{ID: p.Dedup.ID, Answer: o.ID, Expires: o.Expires}\n", new: "\t\t\t_ = o\n"},
	{name: "rewriting loses ids whose messages are gone", file: state + "rewrite.go",
		old: "\tif !ok || o.Append != at {\n\t\treturn\n\t}\n", new: "\tif ok || !ok {\n\t\treturn\n\t}\n"},
	{name: "rewriting loses receive counts", file: state + "rewrite.go",
		old: "receives: m.Receives, first:", new: "receives: 0, first:"},
	{name: "rewriting loses dead letters", file: state + "rewrite.go",
		old: "\tfor _, t := range s.strays[at] {\n", new: "\tfor _, t := range s.strays[Pos{}] {\n"},
	{name: "a purge is not replayed", file: state + "replay.go",
		old: "\t\t\tif q.m != nil {\n\t\t\t\ts.discard(q, q.m.Empty())\n\t\t\t}\n", new: ""},
	{name: "a receive is not replayed", file: state + "replay.go",
		old: "\t\tq.m.ApplyReceive(s.now, m.Key, m.Receives, m.FirstReceived, f.now, f.hidden)\n", new: ""},
	{name: "a change of visibility is not replayed", file: state + "replay.go",
		old: "\t\t\tq.m.ApplyVisibility(s.now, key, until)\n", new: "\t\t\t_ = until\n"},
	{name: "a dead letter's move is not written", file: state + "receive.go",
		old: "\ts.putMoved(&f)\n", new: ""},
	{name: "a group with a message in flight is open to others", file: machine + "receive.go",
		old: "\t\t\te := m.entries.at(i)\n\t\t\tif e.state != visible {\n\t\t\t\tbreak\n\t\t\t}\n\t\t\tnext := e.line.next\n", new: "\t\t\te := m.entries.at(i)\n\t\t\tif e.state != visible {\n\t\t\t\ti = e.line.next\n\t\t\t\tcontinue\n\t\t\t}\n\t\t\tnext := e.line.next\n"},
	{name: "a name that is not in memory does not exist", file: registry + "table.go",
		old: "\tif err := t.r.Sync(ctx); err != nil {\n\t\treturn nil, fmt.Errorf(\"registry: find", new: "\tif err := ctx.Err(); err != nil {\n\t\treturn nil, fmt.Errorf(\"registry: find"},
}
