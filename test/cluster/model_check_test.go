package cluster

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
)

// The checker has to find planted faults, or its silence says nothing.
func TestModel(t *testing.T) {
	t.Parallel()
	type h = []porcupine.Operation
	clock := int64(0)
	seq := func(in call, out result) porcupine.Operation { // one after the other
		clock += 10
		op := porcupine.Operation{Input: in, Output: out, Call: clock, Return: clock + 5}
		if out.unknown {
			op.Return = math.MaxInt64
		}
		return op
	}
	put := func(id string) porcupine.Operation { return seq(call{sendOp, "g", id, ""}, result{}) }
	lostPut := func(id string) porcupine.Operation {
		return seq(call{sendOp, "g", id, ""}, result{unknown: true})
	}
	take := func(attempt, id string) porcupine.Operation {
		return seq(call{receiveOp, "g", "", attempt}, result{id: id})
	}
	nothing := func() porcupine.Operation { return seq(call{verb: receiveOp, attempt: "none"}, result{}) }
	lostTake := func(attempt string) porcupine.Operation {
		return seq(call{verb: receiveOp, attempt: attempt}, result{unknown: true})
	}
	del := func(id string) porcupine.Operation { return seq(call{deleteOp, "g", id, ""}, result{}) }
	lostDel := func(id string) porcupine.Operation {
		return seq(call{deleteOp, "g", id, ""}, result{unknown: true})
	}
	for what, test := range map[string]struct {
		ops  h
		want bool
	}{
		"in order":                 {h{nothing(), put("1"), put("2"), take("x", "1"), nothing(), del("1"), take("y", "2"), del("2"), nothing()}, true},
		"out of order":             {h{put("1"), put("2"), take("x", "2")}, false},
		"group not closed":         {h{put("1"), put("2"), take("x", "1"), take("y", "2")}, false},
		"delivered twice":          {h{put("1"), take("x", "1"), take("y", "1")}, false},
		"same attempt again":       {h{put("1"), take("x", "1"), take("x", "1"), del("1"), nothing()}, true},
		"delete undone":            {h{put("1"), take("x", "1"), del("1"), take("y", "1")}, false},
		"send lost":                {h{put("1"), nothing()}, false},
		"duplicate":                {h{put("1"), put("1"), take("x", "1"), del("1"), nothing()}, true},
		"unknown send came":        {h{lostPut("1"), take("x", "1")}, true},
		"unknown send did not":     {h{lostPut("1"), nothing()}, true},
		"unknown send came late":   {h{lostPut("1"), nothing(), take("x", "1"), del("1"), nothing()}, true},
		"unknown send, twice":      {h{lostPut("1"), put("1"), take("x", "1"), del("1"), take("y", "1")}, false},
		"unknown receive took":     {h{put("1"), lostTake("x"), nothing(), take("x", "1"), del("1"), nothing()}, true},
		"unknown receive, another": {h{put("1"), lostTake("x"), nothing(), take("y", "1")}, false},
		"unknown receive did not":  {h{put("1"), lostTake("x"), take("y", "1")}, true},
		"unknown delete did":       {h{put("1"), take("x", "1"), lostDel("1"), nothing(), put("2"), take("y", "2")}, true},
		"unknown delete did not":   {h{put("1"), take("x", "1"), lostDel("1"), take("x", "1"), del("1"), nothing()}, true},
		"deleted twice":            {h{put("1"), take("x", "1"), del("1"), del("1"), nothing()}, true},
		"never there":              {h{take("x", "1")}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if got := porcupine.CheckOperations(model([]string{"g"}), test.ops); got != test.want {
				t.Errorf("linearizable = %v, want %v", got, test.want)
			}
		})
	}
}
