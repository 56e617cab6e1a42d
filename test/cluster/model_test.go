package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The model of one message group of a FIFO queue, for the linearizability
// checker. Visibility timeouts outlast a history, so a message that was received
// stays in flight, and blocks those behind it, until it is deleted or released.
//
// A request without an answer may have happened or not, then or at any later
// time: its operation has no end, and its step allows both.

type verb int

const (
	sendOp verb = iota
	receiveOp
	deleteOp
	releaseOp // change of visibility to 0
)

// call is one request to the queue.
type call struct {
	verb    verb
	group   string // but for receives
	id      string // but for receives: the message
	attempt string // of receive: its ReceiveRequestAttemptId; of release: that of the receive whose handle is used
	max     int    // of receive
	again   bool   // of receive: a request of the same attempt went before, without an answer
}

// result is its answer.
type result struct {
	unknown bool
	refused bool       // of release: the handle was no longer good
	got     []received // of receive
}

type received struct{ group, id string }

// of returns the ids received of one group.
func (r result) of(group string) (ids []string) {
	for _, m := range r.got {
		if m.group == group {
			ids = append(ids, m.id)
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
func step(group string, s state, in call, out result) []state {
	happened := apply(group, s, in, out)
	if out.unknown {
		return append(happened, s)
	}
	return happened
}

// apply is what may become of the group if the request is executed now.
func apply(group string, s state, in call, out result) []state {
	switch in.verb {
	case sendOp:
		if !s.stored(in.id) {
			s.waiting += in.id + "=,"
			s.sent += in.id + ","
		}
		return []state{s}
	case receiveOp:
		return receive(group, s, in, out)
	}
	list := s.list()
	i := slices.IndexFunc(list, func(w waits) bool { return w.id == in.id })
	switch {
	case in.verb == releaseOp:
		mine := i >= 0 && list[i].holder == in.attempt
		if mine == out.refused {
			return nil
		}
		if mine {
			list[i].holder = ""
		}
		return []state{s.with(list)}
	case i >= 0 && list[i].holder != "":
		return []state{s.with(slices.Delete(list, i, i+1))}
	case i < 0 && s.stored(in.id):
		return []state{s} // gone already
	}
	return nil
}

// receive takes messages from the head of the group. What is asked of other groups
// shows only in how many of this one it got.
func receive(group string, s state, in call, out result) (next []state) {
	ready, mine := s.ready(), out.of(group)
	if out.unknown { // may have taken some; a repetition changes nothing
		for n := 1; n <= min(in.max, len(ready)); n++ {
			next = append(next, s.take(n, in.attempt))
		}
		return next
	}
	if held := s.held(in.attempt); len(held) > 0 { // a repetition gets the same
		if slices.Equal(held, mine) {
			return []state{s}
		}
		return nil
	}
	if len(mine) > len(ready) || !slices.Equal(mine, ready[:len(mine)]) {
		return nil
	}
	// One that repeats what it got of other groups does not look at this one.
	repeats := in.again && len(mine) == 0 && len(out.got) > 0
	if len(mine) < len(ready) && len(out.got) < in.max && !repeats {
		return nil // it had room for more
	}
	return []state{s.take(len(mine), in.attempt)}
}

// concerns reports whether a request says anything about a group.
func concerns(group string, in call, out result) bool {
	if in.verb != receiveOp {
		return in.group == group
	}
	return out.unknown || len(out.got) < in.max || len(out.of(group)) > 0
}

// model checks one group of a history by itself.
func model(group string) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			var part []porcupine.Operation
			for _, op := range history {
				if concerns(group, op.Input.(call), op.Output.(result)) {
					part = append(part, op)
				}
			}
			return [][]porcupine.Operation{part}
		},
		Init: func() []interface{} { return []interface{}{state{}} },
		Step: func(s, in, out interface{}) []interface{} {
			var next []interface{}
			for _, n := range step(group, s.(state), in.(call), out.(result)) {
				next = append(next, n)
			}
			return next
		},
		DescribeOperation: func(in, out interface{}) string { return describe(in.(call), out.(result)) },
	}
	return m.ToModel()
}

func describe(in call, out result) string {
	answer := "ok"
	switch {
	case out.unknown:
		answer = "?"
	case out.refused:
		answer = "refused"
	case in.verb == receiveOp:
		answer = "nothing"
		if len(out.got) > 0 {
			answer = fmt.Sprint(out.got)
		}
	}
	switch in.verb {
	case sendOp:
		return fmt.Sprintf("send %s %s: %s", in.group, in.id, answer)
	case receiveOp:
		return fmt.Sprintf("receive up to %d (%s): %s", in.max, in.attempt, answer)
	case releaseOp:
		return fmt.Sprintf("release %s %s (%s): %s", in.group, in.id, in.attempt, answer)
	default:
		return fmt.Sprintf("delete %s %s: %s", in.group, in.id, answer)
	}
}
