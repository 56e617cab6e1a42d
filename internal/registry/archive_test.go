package registry

import (
	"reflect"
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

func TestArchivesAndReplays(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{})
		archive, _, err := r.Archives().Create(t.Context(), &Archive{
			Meta: Meta{Account: account, Region: region, Name: "all"}, BusName: "orders", Bus: 7, Description: "d", Pattern: "{}",
			RetentionDays: 3, KMSKeyID: "key",
		}, nil)
		if err != nil || archive.ARN() != "arn:aws:events:"+region+":"+account+":archive/all" {
			t.Fatalf("%+v, %v", archive, err)
		}
		remains, _, err := r.Archives().Create(t.Context(), &Archive{
			Meta: Meta{Account: ArchiveRemains, Region: ArchiveRemains, Name: "ab"}, Remains: 0xab, Of: archive.ARN(),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		replay, _, err := r.Replays().Create(t.Context(), &Replay{
			Meta: Meta{Account: account, Region: region, Name: "again"}, ArchiveARN: archive.ARN(), Archive: archive.ID, Description: "d",
			From: 1, To: 2, BusARN: archive.BusARN(), Rules: []string{"arn"}, Partition: 1, State: ReplayStarting, Started: 3,
		}, nil)
		if err != nil || replay.ARN() != "arn:aws:events:"+region+":"+account+":replay/again" {
			t.Fatalf("%+v, %v", replay, err)
		}
		for _, arn := range []string{archive.ARN(), replay.ARN()} {
			if res, ok := ParseARN(arn); !ok || res.ARN() != arn {
				t.Errorf("%s is read as %+v, %v", arn, res, ok)
			}
		}
		// What cannot change does not, whatever an update says.
		archive, err = r.Archives().Update(t.Context(), account, region, "all", func(a *Archive) error {
			a.BusName, a.Bus, a.Remains, a.Of, a.RetentionDays = "other", 1, 1, "x", 9
			return nil
		})
		if err != nil || archive.BusName != "orders" || archive.Bus != 7 || archive.Remains != 0 || archive.Of != "" || archive.RetentionDays != 9 {
			t.Errorf("%+v, %v", archive, err)
		}
		replay, err = r.Replays().Update(t.Context(), account, region, "again", func(p *Replay) error {
			p.From, p.To, p.Archive, p.Rules, p.Partition, p.State = 8, 8, 8, nil, 8, ReplayRunning
			p.Next, p.End = []uint64{1, 2}, []uint64{3, 4}
			return nil
		})
		if err != nil || replay.From != 1 || replay.To != 2 || replay.Archive != archive.ID || len(replay.Rules) != 1 || replay.Partition != 1 ||
			replay.State != ReplayRunning {
			t.Errorf("%+v, %v", replay, err)
		}
		c := replay.Clone()
		c.Next[0], c.End[0], c.Rules[0] = 9, 9, "x"
		if replay.Next[0] != 1 || replay.End[0] != 3 || replay.Rules[0] != "arn" {
			t.Error("a change of the copy shows")
		}
		// Another node reads the same out of the log.
		other := up(t, w.Node("two"), Config{})
		if list := other.Archives().By(ArchivesOfBus, archive.BusARN()); len(list) != 1 || !reflect.DeepEqual(list[0], archive) {
			t.Errorf("of the bus: %+v, want %+v", list, archive)
		}
		if list := other.Archives().By(DeletingArchives, "yes"); len(list) != 1 || !reflect.DeepEqual(list[0], remains) {
			t.Errorf("being deleted: %+v, want %+v", list, remains)
		}
		if list := other.Replays().By(ActiveReplays, account+"/"+region); len(list) != 1 || !reflect.DeepEqual(list[0], replay) {
			t.Errorf("active: %+v, want %+v", list, replay)
		}
		if _, err := r.Replays().Update(t.Context(), account, region, "again", func(p *Replay) error { p.Ended = 5; return nil }); err != nil {
			t.Fatal(err)
		}
		if list := r.Replays().By(ActiveReplays, account+"/"+region); len(list) != 0 {
			t.Errorf("active when it has ended: %+v", list)
		}
	})
}
