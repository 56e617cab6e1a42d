package linear

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
	seq := func(in Call, out Result) porcupine.Operation { // one after the other
		clock += 10
		op := porcupine.Operation{Input: in, Output: out, Call: clock, Return: clock + 5}
		if out.Unknown {
			op.Return = math.MaxInt64
		}
		return op
	}
	put := func(id string) porcupine.Operation {
		return seq(Call{Verb: Send, Group: "g", ID: id}, Result{})
	}
	lostPut := func(id string) porcupine.Operation {
		return seq(Call{Verb: Send, Group: "g", ID: id}, Result{Unknown: true})
	}
	get := func(attempt string, again bool, max int, got ...Received) porcupine.Operation {
		return seq(Call{Verb: Receive, Attempt: attempt, Again: again, Max: max}, Result{Got: got})
	}
	take := func(attempt string, ids ...string) porcupine.Operation { // up to two, some attempts again
		var got []Received
		for _, id := range ids {
			got = append(got, Received{"g", id})
		}
		return get(attempt, true, 2, got...)
	}
	nothing := func() porcupine.Operation { return get("none", false, 2) }
	lostTake := func(attempt string) porcupine.Operation {
		return seq(Call{Verb: Receive, Attempt: attempt, Max: 2}, Result{Unknown: true})
	}
	gaveBack := func(attempt string) porcupine.Operation {
		return seq(Call{Verb: GiveBack, Attempt: attempt}, Result{Unknown: true})
	}
	del := func(id string) porcupine.Operation {
		return seq(Call{Verb: Delete, Group: "g", ID: id}, Result{})
	}
	lostDel := func(id string) porcupine.Operation {
		return seq(Call{Verb: Delete, Group: "g", ID: id}, Result{Unknown: true})
	}
	back := func(attempt, id string) porcupine.Operation {
		return seq(Call{Verb: Release, Group: "g", ID: id, Attempt: attempt}, Result{})
	}
	lostBack := func(attempt, id string) porcupine.Operation {
		return seq(Call{Verb: Release, Group: "g", ID: id, Attempt: attempt}, Result{Unknown: true})
	}
	noBack := func(attempt, id string) porcupine.Operation {
		return seq(Call{Verb: Release, Group: "g", ID: id, Attempt: attempt}, Result{Refused: true})
	}
	a := Received{"a", "7"} // of another group
	for what, test := range map[string]struct {
		ops  h
		want bool
	}{
		"in order":                  {h{nothing(), put("1"), take("x", "1"), put("2"), nothing(), del("1"), take("y", "2"), del("2"), nothing()}, true},
		"two at once":               {h{put("1"), put("2"), put("3"), take("x", "1", "2"), nothing(), del("1"), nothing(), del("2"), take("y", "3")}, true},
		"out of order":              {h{put("1"), put("2"), take("x", "2")}, false},
		"two out of order":          {h{put("1"), put("2"), take("x", "2", "1")}, false},
		"room for more":             {h{put("1"), put("2"), take("x", "1")}, false},
		"full of others":            {h{put("1"), put("2"), get("x", false, 2, a, Received{"g", "1"})}, true},
		"behind one in flight":      {h{put("1"), take("x", "1"), put("2"), take("y", "2")}, false},
		"given back":                {h{put("1"), lostTake("x"), nothing(), gaveBack("x"), take("y", "1")}, true},
		"not given back":            {h{put("1"), take("x", "1"), gaveBack("z"), take("y", "1")}, false},
		"delivered twice":           {h{put("1"), take("x", "1"), take("y", "1")}, false},
		"before one in flight":      {h{put("1"), put("2"), put("3"), take("x", "1", "2"), back("x", "1"), take("y", "1"), nothing()}, true},
		"before, but not behind":    {h{put("1"), put("2"), put("3"), take("x", "1", "2"), back("x", "1"), take("y", "1", "3")}, false},
		"before, kept back":         {h{put("1"), put("2"), take("x", "1", "2"), back("x", "1"), nothing()}, false},
		"back behind one":           {h{put("1"), put("2"), take("x", "1", "2"), back("x", "2"), nothing(), del("1"), take("y", "2")}, true},
		"back behind one, overtook": {h{put("1"), put("2"), take("x", "1", "2"), back("x", "2"), take("y", "2")}, false},
		"back twice":                {h{put("1"), take("x", "1"), back("x", "1"), back("x", "1")}, false},
		"back twice, refused":       {h{put("1"), take("x", "1"), lostBack("x", "1"), noBack("x", "1"), take("y", "1")}, true},
		"back, refused while held":  {h{put("1"), take("x", "1"), noBack("x", "1")}, false},
		"back of another's":         {h{put("1"), take("x", "1"), back("x", "1"), take("y", "1"), back("x", "1")}, false},
		"unknown back did":          {h{put("1"), take("x", "1"), lostBack("x", "1"), take("y", "1")}, true},
		"unknown back did not":      {h{put("1"), take("x", "1"), lostBack("x", "1"), nothing(), take("x", "1"), del("1"), nothing()}, true},
		"unknown back, another's":   {h{put("1"), take("x", "1"), lostBack("x", "1"), take("y", "1"), take("z", "1")}, false},
		"same attempt again":        {h{put("1"), put("2"), take("x", "1", "2"), take("x", "1", "2"), del("1"), del("2"), nothing()}, true},
		"same attempt, fewer":       {h{put("1"), put("2"), take("x", "1", "2"), take("x", "1")}, false},
		"again, of another group":   {h{put("1"), get("x", true, 2, a)}, true},
		"not again, with room":      {h{put("1"), get("x", false, 2, a)}, false},
		"delete undone":             {h{put("1"), take("x", "1"), del("1"), take("y", "1")}, false},
		"send lost":                 {h{put("1"), nothing()}, false},
		"duplicate":                 {h{put("1"), put("1"), take("x", "1"), del("1"), nothing()}, true},
		"unknown send came":         {h{lostPut("1"), take("x", "1")}, true},
		"unknown send did not":      {h{lostPut("1"), nothing()}, true},
		"unknown send came late":    {h{lostPut("1"), nothing(), take("x", "1"), del("1"), nothing()}, true},
		"unknown send, twice":       {h{lostPut("1"), put("1"), take("x", "1"), del("1"), take("y", "1")}, false},
		"unknown receive took":      {h{put("1"), lostTake("x"), nothing(), take("x", "1"), del("1"), nothing()}, true},
		"unknown receive took one":  {h{put("1"), put("2"), lostTake("x"), take("y", "2")}, false},
		"unknown receive, another":  {h{put("1"), lostTake("x"), nothing(), take("y", "1")}, false},
		"unknown receive did not":   {h{put("1"), lostTake("x"), take("y", "1")}, true},
		"unknown delete did":        {h{put("1"), take("x", "1"), lostDel("1"), nothing(), put("2"), take("y", "2")}, true},
		"unknown delete did not":    {h{put("1"), take("x", "1"), lostDel("1"), take("x", "1"), del("1"), nothing()}, true},
		"deleted twice":             {h{put("1"), take("x", "1"), del("1"), del("1"), nothing()}, true},
		"deleted while visible":     {h{put("1"), del("1")}, false},
		"never there":               {h{take("x", "1")}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if got := porcupine.CheckOperations(Model("g"), test.ops); got != test.want {
				t.Errorf("linearizable = %v, want %v", got, test.want)
			}
		})
	}
}
