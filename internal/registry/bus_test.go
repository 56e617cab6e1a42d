package registry

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

func TestBusesAndRules(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{})
		bus, _, err := r.Buses().Create(t.Context(), &Bus{
			Meta: Meta{Account: account, Region: region, Name: "orders"}, Description: "d", KMSKeyID: "key", DeadLetterARN: "arn:aws:sqs:r:a:dead",
			LogLevel: "INFO", LogDetail: "FULL", Policy: "{}", Tags: map[string]string{"team": "a"},
		}, nil)
		if err != nil || bus.ARN() != "arn:aws:events:"+region+":"+account+":event-bus/orders" || bus.Incarnation() != bus.ID {
			t.Fatalf("%+v, %v", bus, err)
		}
		age, tries := 60, 0
		rule, _, err := r.Rules().Create(t.Context(), &Rule{
			Meta: Meta{Account: account, Region: region, Name: "orders/paid"}, Bus: bus.Incarnation(), Pattern: `{"source":["a"]}`,
			Disabled: true, Description: "d", RoleARN: "role", CreatedBy: account, Tags: map[string]string{"a": "b"},
			Targets: []Target{{
				ID: "one", ARN: "arn:aws:sqs:r:a:q", RoleARN: "role", Template: "<x>", Paths: map[string]string{"x": "$.id"}, Group: "g",
				DeadLetterARN: "arn:aws:sqs:r:a:dead", MaxRetries: &tries, MaxAge: &age,
			}, {ID: "two", ARN: "arn:aws:sqs:r:a:q", InputPath: "$.detail"}, {ID: "three", ARN: "arn:aws:sqs:r:a:q", Input: "{}"}},
		}, nil)
		if err != nil || rule.ARN() != "arn:aws:events:"+region+":"+account+":rule/orders/paid" {
			t.Fatalf("%+v, %v", rule, err)
		}
		// A copy shares nothing that can be changed.
		c := rule.Clone()
		c.Targets[0].Paths["x"], *c.Targets[0].MaxAge, c.Tags["a"] = "", 1, ""
		if rule.Targets[0].Paths["x"] != "$.id" || *rule.Targets[0].MaxAge != 60 || rule.Tags["a"] != "b" {
			t.Errorf("a change of the copy shows: %+v", rule)
		}
		onDefault := &Rule{Meta: Meta{Account: account, Region: region, Name: DefaultBus + "/paid"}}
		if arn := onDefault.ARN(); arn != "arn:aws:events:"+region+":"+account+":rule/paid" {
			t.Errorf("a rule of the default bus is %s", arn)
		}
		if n := (&Bus{Meta: Meta{ID: 7, Name: DefaultBus}}).Incarnation(); n != 0 {
			t.Errorf("the default bus is incarnation %d", n)
		}
		for _, arn := range []string{bus.ARN(), rule.ARN(), onDefault.ARN()} {
			if res, ok := ParseARN(arn); !ok || res.ARN() != arn {
				t.Errorf("%s is read as %+v, %v", arn, res, ok)
			}
		}
		// What cannot change does not, whatever an update says.
		changed, err := r.Rules().Update(t.Context(), account, region, "orders/paid", func(d *Rule) error {
			d.Bus, d.CreatedBy, d.Disabled = 1, "somebody", false
			return nil
		})
		if err != nil || changed.Bus != bus.ID || changed.CreatedBy != account || changed.Disabled {
			t.Errorf("%+v, %v", changed, err)
		}
		// Another node reads the same out of the log.
		other := up(t, w.Node("two"), Config{})
		if got, ok := other.Buses().Get(account, region, "orders"); !ok || !reflect.DeepEqual(got, bus) {
			t.Errorf("the other node has\n%+v, want\n%+v", got, bus)
		}
		if got, ok := other.Rules().Get(account, region, "orders/paid"); !ok || !reflect.DeepEqual(got, changed) {
			t.Errorf("the other node has\n%+v, want\n%+v", got, changed)
		}
	})
}

func TestLimitsOfBuses(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{MaxBuses: 1, MaxRules: 1})
		for i, want := range []bool{true, false} {
			_, _, err := r.Buses().Create(t.Context(), &Bus{Meta: Meta{Account: account, Region: region, Name: fmt.Sprint("b", i)}}, nil)
			if (err == nil) != want {
				t.Errorf("bus %d: %v", i, err)
			}
			_, _, err = r.Rules().Create(t.Context(), &Rule{Meta: Meta{Account: account, Region: region, Name: fmt.Sprint("b/", i)}}, nil)
			if (err == nil) != want {
				t.Errorf("rule %d: %v", i, err)
			}
		}
	})
}
