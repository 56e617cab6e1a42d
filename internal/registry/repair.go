package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/waystation/waystation/internal/jet"
)

// Known is a definition that stands outside the registry: beside the messages of
// its queue, in a journal.
type Known struct {
	ID       uint64
	Revision uint64
	Encoded  []byte // as EncodeQueue gave it
}

// RepairConfig says where a repair looks.
type RepairConfig struct {
	Cluster jet.Cluster
	Prefix  string // as in Open
	// Known are the definitions that journals hold. Revision is the highest
	// revision that any of them names.
	Known    []Known
	Revision uint64
	// Raw are entries out of files that the log's server cannot read any more, each
	// with anything behind it.
	Raw [][]byte
	// Logger; nil discards.
	Logger *slog.Logger
}

// Repaired says what a repair did.
type Repaired struct {
	Definitions  int    // there are now
	FromJournals int    // of them, the log had none, or an older one
	Damaged      int    // entries of the log that could not be read whole
	Revision     uint64 // of the registry now
}

// ErrWhole: there is nothing to repair.
var ErrWhole = errors.New("registry: the definitions are whole")

// Repair makes a new start of damaged definitions: of what can be read of the log,
// and what journals hold. All nodes must be stopped. For each definition the
// newest form that was found counts; one whose deletion was found stays deleted;
// one whose name a newer one has was deleted. What nobody holds any more is lost:
// definitions that were never used, changes since a queue was last written down in
// its journal. What is taken for a definition matches its checksum. It can be
// interrupted and done again.
//
// Errors: ErrWhole; what the stores say.
func Repair(ctx context.Context, cfg RepairConfig) (Repaired, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	log, marks, err := stores(ctx, cfg.Cluster, cfg.Prefix)
	if err != nil {
		return Repaired{}, err
	}
	p := &repair{cfg: cfg, log: log, marks: marks, best: make(map[defKey]found), dead: make(map[defKey]bool)}
	if len(cfg.Raw) == 0 {
		if err := whole(ctx, log, marks, cfg.Revision); err == nil {
			return Repaired{}, ErrWhole
		} else if !Damaged(err) {
			return Repaired{}, err
		}
	}
	if err := p.gather(ctx); err != nil {
		return Repaired{}, err
	}
	return p.write(ctx)
}

// defKey tells definitions of all kinds apart.
type defKey struct {
	tag byte
	id  uint64
}

// found is a definition that matched its checksum.
type found struct {
	sealed      sealed
	encoded     []byte
	name        fullName
	fromJournal bool
}

type repair struct {
	cfg   RepairConfig
	log   jet.Log
	marks jet.Bucket

	best     map[defKey]found
	dead     map[defKey]bool
	damaged  int
	revision uint64 // the highest that was ever given, as far as is known
	last     uint64 // entry of the log
}

// Damaged reports whether err says that definitions were lost: what Repair is for.
func Damaged(err error) bool {
	var damage *DamageError
	var behind *BehindError
	return errors.As(err, &damage) || errors.As(err, &behind)
}

// Verify reads all definitions, and reports what is wrong with them: an error that
// is Damaged, *VersionError, or what the stores say. revision is the highest that
// is known to have been stored, 0 if none is.
func Verify(ctx context.Context, cluster jet.Cluster, prefix string, revision uint64) error {
	log, marks, err := stores(ctx, cluster, prefix)
	if err != nil {
		return err
	}
	return whole(ctx, log, marks, revision)
}

func whole(ctx context.Context, log jet.Log, marks jet.Bucket, revision uint64) error {
	r, err := New(Config{Log: log, Marks: marks})
	if err != nil {
		return err
	}
	s, err := r.readAll(ctx)
	if err != nil {
		return err
	}
	if s.revision < revision {
		return &BehindError{Have: s.revision, Known: revision}
	}
	return nil
}

// gather takes in all that can be found.
func (p *repair) gather(ctx context.Context) error {
	m, _, err := loadMark(ctx, p.marks)
	if err != nil && !fatal(err) {
		return err
	}
	p.revision = max(m.Revision, p.cfg.Revision)
	first, last, err := p.log.Bounds(ctx)
	if err != nil {
		return err
	}
	p.last = last
	for seq := first; seq <= last; seq++ {
		e, err := p.log.Get(ctx, seq)
		switch {
		case errors.Is(err, jet.ErrNotFound):
			p.damaged++
			p.cfg.Logger.Warn("an entry of the definitions cannot be read", "entry", seq)
		case err != nil:
			return err
		default:
			p.take(e.Data)
		}
	}
	for _, b := range p.cfg.Raw {
		p.take(b)
	}
	for _, k := range p.cfg.Known {
		p.revision = max(p.revision, k.Revision)
		p.put(k.Encoded, true)
	}
	return nil
}

// take looks for definitions and deletions in an entry that may be damaged, with
// anything behind it.
func (p *repair) take(b []byte) {
	e := &entry{}
	n, err := e.parse(b)
	trusted := err == nil && len(b) >= n+len(checksum{}) && sumOf(b[:n]) == checksum(b[n:n+len(checksum{})])
	if trusted {
		p.revision = max(p.revision, e.revision)
	} else {
		p.damaged++
	}
	for _, it := range e.items {
		switch {
		case it.op == opPut || it.op == opKeep:
			p.put(it.data, false)
		case it.op == opDelete && trusted: // has no checksum of its own
			if d, err := decodeDeletion(it.data); err == nil {
				p.dead[defKey{d.tag, d.id}] = true
			}
		}
	}
}

// put takes a definition in if it matches its checksum and is the newest.
func (p *repair) put(encoded []byte, fromJournal bool) {
	s, err := openSealed(encoded)
	if err != nil {
		return
	}
	o, err := openOpaque(s)
	if err != nil {
		return
	}
	p.revision = max(p.revision, s.revision)
	key := defKey{s.tag, o.ID}
	if old, ok := p.best[key]; !ok || old.sealed.revision < s.revision {
		p.best[key] = found{s, slices.Clone(encoded), o.fullName(), fromJournal}
	}
}

// living are the definitions that are there, in order.
func (p *repair) living() []found {
	type name struct {
		tag  byte
		name fullName
	}
	newest := make(map[name]found)
	for key, f := range p.best {
		if p.dead[key] {
			continue
		}
		n := name{key.tag, f.name}
		if old, ok := newest[n]; !ok || old.sealed.revision < f.sealed.revision {
			newest[n] = f
		}
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b found) int {
		return cmp.Or(cmp.Compare(a.sealed.tag, b.sealed.tag), a.name.compare(b.name))
	})
}

// write begins the log anew, with all that lives.
func (p *repair) write(ctx context.Context) (Repaired, error) {
	list := p.living()
	done := Repaired{Definitions: len(list), Damaged: p.damaged}
	for _, f := range list {
		if f.fromJournal {
			done.FromJournals++
		}
	}
	begin := p.revision + 1
	e := entry{flags: flagBase, revision: p.revision, floor: begin}
	seq := p.last
	for first := true; first || len(list) > 0; first = false {
		e.revision++
		e.items = nil
		for size := 0; len(list) > 0 && size < maxKeeps; list = list[1:] {
			e.items = append(e.items, item{opKeep, list[0].encoded})
			size += len(list[0].encoded)
		}
		e.total += uint64(len(e.items))
		e.flags |= flagKeeps
		if len(list) > 0 {
			e.flags |= flagOpen
		}
		if err := p.append(ctx, e.encode(), seq); err != nil {
			return Repaired{}, err
		}
		seq++
		e.before, e.flags = e.sum, 0
	}
	done.Revision = e.revision
	if err := p.log.Purge(ctx, seq-(e.revision-begin)); err != nil {
		return Repaired{}, fmt.Errorf("registry: remove what was damaged: %w", err)
	}
	_, revision, err := loadMark(ctx, p.marks)
	if err != nil && !fatal(err) {
		return Repaired{}, err
	}
	return done, putMark(ctx, p.marks, mark{e.revision, seq, e.before}, revision)
}

// append stores one entry behind last.
func (p *repair) append(ctx context.Context, data []byte, last uint64) error {
	answered := make(chan error, 1)
	p.log.Append(data, "registry.repair", last, func(_ uint64, err error) { answered <- err })
	select {
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("registry: repair: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
