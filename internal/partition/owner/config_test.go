package owner_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// An owner needs all that Config says, and leaves the kinds below FirstService alone.
func TestConfigIsComplete(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	log, err := c.node.Log(t.Context(), jet.StreamSpec{Name: "journal_0", Subject: "journal.0"})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.New(journal.Config{Log: log, Name: "0", Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	whole := owner.Config{
		Journal: j, Registry: c.defs, Space: &c.space, Memory: c.memory,
		HandOver: func(context.Context, uint32, owner.AcceptIn) (owner.AcceptOut, error) { return owner.AcceptOut{}, nil },
		Wall:     time.Now, Elapsed: func() time.Duration { return 0 }, NewID: func() [16]byte { return [16]byte{} },
		Logger: testLogger(), Kinds: map[state.Kind]owner.Kind{state.FirstService: {}},
	}
	if _, err := owner.New(whole); err != nil {
		t.Fatal(err)
	}
	missing := 0
	for f := range reflect.TypeFor[owner.Config]().Fields() {
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Func:
		default:
			continue
		}
		missing++
		cfg := whole
		reflect.ValueOf(&cfg).Elem().FieldByIndex(f.Index).SetZero()
		if o, err := owner.New(cfg); err == nil || o != nil {
			t.Errorf("without %s: %v, %v", f.Name, o, err)
		}
	}
	if missing != 9 {
		t.Errorf("%d fields were left out", missing)
	}
	whole.Kinds = map[state.Kind]owner.Kind{state.FirstService - 1: {}}
	if _, err := owner.New(whole); err == nil {
		t.Error("a service has a kind below FirstService")
	}
}

// Space says what is new, and what is refused when.
func TestSpaceLevels(t *testing.T) {
	t.Parallel()
	var s owner.Space
	for _, tt := range []struct {
		level        int32
		share        int64
		before       int32
		news         bool
		garbage      int64
		posts, takes error
	}{
		{owner.SpaceEnough, 0, owner.SpaceEnough, false, 0, nil, nil},
		{owner.SpaceEnough, 100, owner.SpaceEnough, true, 0, nil, nil},
		{owner.SpaceEnough, 100, owner.SpaceEnough, false, 0, nil, nil},
		{owner.SpaceShort, 100, owner.SpaceEnough, true, 100, owner.ErrFull, nil},
		{owner.SpaceEnd, 1 << 40, owner.SpaceShort, true, 8 << 20, owner.ErrFull, owner.ErrFull},
		{owner.SpaceEnd, 0, owner.SpaceEnd, true, 8 << 20, owner.ErrFull, owner.ErrFull},
		{owner.SpaceEnough, 0, owner.SpaceEnd, true, 0, nil, nil},
	} {
		before, news := s.Set(tt.level, tt.share)
		garbage, posts, takes := s.Said()
		if before != tt.before || news != tt.news || garbage != tt.garbage || !errors.Is(posts, tt.posts) || !errors.Is(takes, tt.takes) {
			t.Errorf("%+v: before %d, news %v, garbage %d, posts %v, receives %v", tt, before, news, garbage, posts, takes)
		}
	}
}
