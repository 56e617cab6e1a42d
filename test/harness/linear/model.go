package linear

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verb is what is asked for.
type Verb int

const (
	Send Verb = iota
	Receive
	Delete
	Release // change of visibility to 0
	// GiveBack is what the server does for a receive whose client went away: what
	// it took becomes visible again. One goes with each receive without an answer.
	GiveBack
)

// Call is one request to the queue.
type Call struct {
	Verb    Verb
	Group   string // but for receives
	ID      string // but for receives: the message
	Attempt string // of receive: its ReceiveRequestAttemptId; of release: that of the receive whose handle is used
	Max     int    // of receive
	Again   bool   // of receive: a request of the same attempt went before
}

// Result is its answer.
type Result struct {
	Unknown bool
	Refused bool       // of release: the handle was no longer good
	Got     []Received // of receive
}

// Received is one message of a receive.
type Received struct{ Group, ID string }

// of returns the ids received of one group.
func (r Result) of(group string) (ids []string) {
	for _, m := range r.Got {
		if m.Group == group {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// state of one group. It is comparable: the lists hold words that end in a comma.
type state struct {
	waiting string // in order: the id, then = and the attempt that holds it in flight
	sent    string // every id ever stored: a second send of one is a duplicate
}

// waits is a message that is not deleted.
type waits struct{ id, holder string }

func (s state) list() (out []waits) {
	for word := range strings.SplitSeq(strings.TrimSuffix(s.waiting, ","), ",") {
		if id, holder, ok := strings.Cut(word, "="); ok {
			out = append(out, waits{id, holder})
		}
	}
	return out
}

func (s state) with(list []waits) state {
	var b strings.Builder
	for _, w := range list {
		b.WriteString(w.id + "=" + w.holder + ",")
	}
	s.waiting = b.String()
	return s
}

func (s state) stored(id string) bool {
	return strings.HasPrefix(s.sent, id+",") || strings.Contains(s.sent, ","+id+",")
}

// ready returns the ids that can be received: those before the first in flight.
func (s state) ready() (ids []string) {
	for _, w := range s.list() {
		if w.holder != "" {
			break
		}
		ids = append(ids, w.id)
	}
	return ids
}

// held returns the ids in flight that an attempt received.
func (s state) held(attempt string) (ids []string) {
	for _, w := range s.list() {
		if w.holder == attempt {
			ids = append(ids, w.id)
		}
	}
	return ids
}

// take is the state after an attempt received the first n.
func (s state) take(n int, attempt string) state {
	list := s.list()
	for i := range n {
		list[i].holder = attempt
	}
	return s.with(list)
}

// step returns all states that the group may be in after the request; none if it
// cannot have had that answer.
func step(group string, s state, in Call, out Result) []state {
	happened := apply(group, s, in, out)
	if out.Unknown {
		return append(happened, s)
	}
	return happened
}

// apply is what may become of the group if the request is executed now.
func apply(group string, s state, in Call, out Result) []state {
	switch in.Verb {
	case Send:
		if !s.stored(in.ID) {
			s.waiting += in.ID + "=,"
			s.sent += in.ID + ","
		}
		return []state{s}
	case Receive:
		return receive(group, s, in, out)
	}
	list := s.list()
	if in.Verb == GiveBack {
		for i := range list {
			if list[i].holder == in.Attempt {
				list[i].holder = ""
			}
		}
		return []state{s.with(list)}
	}
	i := slices.IndexFunc(list, func(w waits) bool { return w.id == in.ID })
	switch {
	case in.Verb == Release:
		mine := i >= 0 && list[i].holder == in.Attempt
		if mine == out.Refused {
			return nil
		}
		if mine {
			list[i].holder = ""
		}
		return []state{s.with(list)}
	case i >= 0 && list[i].holder != "":
		return []state{s.with(slices.Delete(list, i, i+1))}
	case i < 0 && s.stored(in.ID):
		return []state{s} // gone already
	}
	return nil
}

// receive takes messages from the head of the group. What is asked of other groups
// shows only in how many of this one it got.
func receive(group string, s state, in Call, out Result) (next []state) {
	ready, mine := s.ready(), out.of(group)
	if out.Unknown { // may have taken some; a repetition changes nothing
		for n := 1; n <= min(in.Max, len(ready)); n++ {
			next = append(next, s.take(n, in.Attempt))
		}
		return next
	}
	if held := s.held(in.Attempt); len(held) > 0 { // a repetition gets the same
		if slices.Equal(held, mine) {
			return []state{s}
		}
		return nil
	}
	if len(mine) > len(ready) || !slices.Equal(mine, ready[:len(mine)]) {
		return nil
	}
	// One that repeats what it got of other groups does not look at this one.
	repeats := in.Again && len(mine) == 0 && len(out.Got) > 0
	if len(mine) < len(ready) && len(out.Got) < in.Max && !repeats {
		return nil // it had room for more
	}
	return []state{s.take(len(mine), in.Attempt)}
}

// concerns reports whether a request says anything about a group.
func concerns(group string, in Call, out Result) bool {
	switch in.Verb {
	case GiveBack:
		return true
	case Send, Delete, Release:
		return in.Group == group
	}
	return out.Unknown || len(out.Got) < in.Max || len(out.of(group)) > 0
}

// Model checks one group of a history by itself.
func Model(group string) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			var part []porcupine.Operation
			for _, op := range history {
				if concerns(group, op.Input.(Call), op.Output.(Result)) {
					part = append(part, op)
				}
			}
			return [][]porcupine.Operation{part}
		},
		Init: func() []interface{} { return []interface{}{state{}} },
		Step: func(s, in, out interface{}) []interface{} {
			var next []interface{}
			for _, n := range step(group, s.(state), in.(Call), out.(Result)) {
				next = append(next, n)
			}
			return next
		},
		DescribeOperation: func(in, out interface{}) string { return Describe(in.(Call), out.(Result)) },
	}
	return m.ToModel()
}

// Describe tells of one request in a line.
func Describe(in Call, out Result) string {
	answer := "ok"
	switch {
	case out.Unknown:
		answer = "?"
	case out.Refused:
		answer = "refused"
	case in.Verb == Receive:
		answer = "nothing"
		if len(out.Got) > 0 {
			answer = fmt.Sprint(out.Got)
		}
	}
	switch in.Verb {
	case Send:
		return fmt.Sprintf("send %s %s: %s", in.Group, in.ID, answer)
	case Receive:
		return fmt.Sprintf("receive up to %d (%s): %s", in.Max, in.Attempt, answer)
	case GiveBack:
		return fmt.Sprintf("given back (%s): %s", in.Attempt, answer)
	case Release:
		return fmt.Sprintf("release %s %s (%s): %s", in.Group, in.ID, in.Attempt, answer)
	default:
		return fmt.Sprintf("delete %s %s: %s", in.Group, in.ID, answer)
	}
}

// Story tells a group's part of a history, and how far it could be explained.
func Story(ops []porcupine.Operation, group string, info porcupine.LinearizationInfo) string {
	explained := 0
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, path := range partition {
			explained = max(explained, len(path))
		}
	}
	part := slices.Clone(ops)
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var s strings.Builder
	fmt.Fprintf(&s, "the longest prefix that can be explained has %d requests\n", explained)
	for _, op := range part {
		in, out := op.Input.(Call), op.Output.(Result)
		if !concerns(group, in, out) {
			continue
		}
		end := time.Duration(op.Return).Round(time.Millisecond).String()
		if out.Unknown {
			end = "?"
		}
		fmt.Fprintf(&s, "%10v to %10s client %d: %s\n", time.Duration(op.Call).Round(time.Millisecond), end, op.ClientId, Describe(in, out))
	}
	return s.String()
}
