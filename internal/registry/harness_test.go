package registry

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

// bubble runs f in virtual time with a simulated cluster.
func bubble(t *testing.T, f func(t *testing.T, w *jetsim.World)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, jetsim.New(jetsim.Options{Seed: 1, AckTimeout: time.Second})) })
}

// up runs a registry until the test ends.
func up(t *testing.T, n *jetsim.Node, cfg Config, prepare ...func(*Registry)) *Registry {
	t.Helper()
	r, stop := simulated(t, n, cfg, prepare...)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	<-r.Ready()
	return r
}

// write stores entries as they are.
func write(t *testing.T, n *jetsim.Node, list ...entry) {
	t.Helper()
	log, _, err := stores(t.Context(), n, "ws")
	if err != nil {
		t.Fatal(err)
	}
	last, err := log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		done := make(chan error, 1)
		log.Append(list[i].encode(), "test", last, func(_ uint64, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		last++
	}
}

func put(id uint64, name string, revision uint64) item {
	b, err := EncodeQueue(&Queue{Meta: Meta{ID: id, Account: account, Region: region, Name: name, Revision: revision}})
	if err != nil {
		panic(err)
	}
	return item{opPut, b}
}

// chained sets what ties entries together.
func chained(list ...entry) []entry {
	total := uint64(0)
	for i := range list {
		if list[i].revision == 0 {
			list[i].revision = uint64(i + 1)
		}
		list[i].floor = max(list[i].floor, 1)
		total += uint64(len(list[i].items))
		list[i].total = total
		if i > 0 && list[i].before == (checksum{}) {
			list[i].before = list[i-1].sum
		}
		list[i].encode()
	}
	return list
}
