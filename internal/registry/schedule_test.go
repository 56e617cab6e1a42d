package registry

import (
	"errors"
	"reflect"
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

func TestScheduleGroups(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{MaxScheduleGroups: 1})
		g, _, err := r.ScheduleGroups().Create(t.Context(), &ScheduleGroup{
			Meta: Meta{Account: account, Region: region, Name: "nightly"}, Partitions: 3, CreateToken: "t", Tags: map[string]string{"team": "a"},
		}, nil)
		if err != nil || g.ARN() != "arn:aws:scheduler:"+region+":"+account+":schedule-group/nightly" ||
			g.ScheduleARN("report") != "arn:aws:scheduler:"+region+":"+account+":schedule/nightly/report" {
			t.Fatalf("%+v, %v", g, err)
		}
		for _, arn := range []string{g.ARN(), g.ScheduleARN("report")} {
			if res, ok := ParseARN(arn); !ok || res.ARN() != arn {
				t.Errorf("%s is read as %+v, %v", arn, res, ok)
			}
		}
		c := g.Clone()
		c.Tags["team"] = "b"
		if g.Tags["team"] != "a" {
			t.Error("a change of the copy shows")
		}
		if _, _, err := r.ScheduleGroups().Create(t.Context(), &ScheduleGroup{Meta: Meta{Account: account, Region: region, Name: "more"}, Partitions: 1}, nil); !errors.Is(err, ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
		if list := r.ScheduleGroups().By(DeletingScheduleGroups, "yes"); len(list) != 0 {
			t.Errorf("being deleted: %+v", list)
		}
		// What cannot change does not, whatever an update says.
		now, err := r.ScheduleGroups().Update(t.Context(), account, region, "nightly", func(g *ScheduleGroup) error {
			g.Partitions, g.CreateToken, g.Deleting, g.DeleteToken = 9, "x", 5, "d"
			return nil
		})
		if err != nil || now.Partitions != 3 || now.CreateToken != "t" || now.Deleting != 5 {
			t.Errorf("%+v, %v", now, err)
		}
		// Another node reads the same out of the log.
		other := up(t, w.Node("two"), Config{})
		if list := other.ScheduleGroups().By(DeletingScheduleGroups, "yes"); len(list) != 1 || !reflect.DeepEqual(list[0], now) {
			t.Errorf("the other node has %+v, want %+v", list, now)
		}
	})
}
