package cluster

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The model of one message group of a FIFO queue, for the linearizability
// checker. Visibility timeouts outlast a history, so a message that was received
// stays hidden, and its group closed, until it is deleted.
//
// A request without an answer may have happened or not, then or at any later
// time: its operation has no end, and its step allows both.

type verb int

const (
	sendOp verb = iota
	receiveOp
	deleteOp
)

// call is one request to the queue.
type call struct {
	verb    verb
	group   string // of send and delete; "" for a receive that gave nothing or is unknown
	id      string // of send and delete: the message
	attempt string // of receive: its ReceiveRequestAttemptId
}

// result is its answer.
type result struct {
	unknown bool
	id      string // of receive: the message, "" if none
}

// state of one group. It is comparable; lists hold ids that end in a comma.
type state struct {
	waiting string // in order, the one in flight first
	sent    string // every id ever stored: a second send of one is a duplicate
	holder  string // attempt that holds the first one; "" if the group is open
}

func (s state) head() string {
	id, _, _ := strings.Cut(s.waiting, ",")
	return id
}

func (s state) stored(id string) bool {
	return strings.HasPrefix(s.sent, id+",") || strings.Contains(s.sent, ","+id+",")
}

// step returns all states that the group may be in after the request.
func step(s state, in call, out result) []state {
	happened, ok := apply(s, in, out)
	switch {
	case out.unknown && ok:
		return []state{s, happened}
	case out.unknown:
		return []state{s}
	case ok:
		return []state{happened}
	default:
		return nil
	}
}

// apply is what happens to the group if the request is executed now; false if
// it cannot have had that answer.
func apply(s state, in call, out result) (state, bool) {
	switch in.verb {
	case sendOp:
		if !s.stored(in.id) {
			s.waiting += in.id + ","
			s.sent += in.id + ","
		}
		return s, true
	case receiveOp:
		free := s.waiting != "" && s.holder == ""
		mine := s.holder != "" && s.holder == in.attempt
		switch {
		case out.unknown: // may have taken the head
			if free {
				s.holder = in.attempt
			}
			return s, free
		case out.id == "":
			return s, !free
		case s.head() == out.id && (free || mine):
			s.holder = in.attempt
			return s, true
		}
		return s, false
	case deleteOp:
		switch {
		case s.holder != "" && s.head() == in.id:
			s.waiting = strings.TrimPrefix(s.waiting, in.id+",")
			s.holder = ""
			return s, true
		case s.stored(in.id) && !strings.Contains(","+s.waiting, ","+in.id+","):
			return s, true // gone already
		}
		return s, false
	}
	return s, false
}

// model checks each group of a history by itself. A receive that gave nothing,
// or whose answer is unknown, concerns every group.
func model(groups []string) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			var parts [][]porcupine.Operation
			for _, g := range groups {
				var part []porcupine.Operation
				for _, op := range history {
					if c := op.Input.(call); c.group == "" || c.group == g {
						part = append(part, op)
					}
				}
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() []interface{} { return []interface{}{state{}} },
		Step: func(s, in, out interface{}) []interface{} {
			var next []interface{}
			for _, n := range step(s.(state), in.(call), out.(result)) {
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
	if out.unknown {
		answer = "?"
	}
	switch in.verb {
	case sendOp:
		return fmt.Sprintf("send %s %s: %s", in.group, in.id, answer)
	case receiveOp:
		switch {
		case out.unknown:
		case out.id == "":
			answer = "nothing"
		default:
			answer = in.group + " " + out.id
		}
		return fmt.Sprintf("receive (%s): %s", in.attempt, answer)
	default:
		return fmt.Sprintf("delete %s %s: %s", in.group, in.id, answer)
	}
}
