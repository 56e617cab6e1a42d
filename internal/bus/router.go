package bus

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
)

// Kinds of targets, as registry.Resource has them, beside queues.
const (
	topicKind = "topic"
	busKind   = "bus"
)

// place names a bus, whatever its incarnation.
type place struct{ account, region, bus string }

// router is the rules of one bus, as puts need them. Its patterns are a pattern.Set,
// which is matched without a lock while it changes.
type router struct {
	patterns *pattern.Set

	mu    sync.RWMutex
	rules map[string]*rule // by name, those that are disabled too; guarded by mu
	// archives by name, and those of them that take every event; guarded by mu
	archives map[string]*archive
	taking   []*archive
}

// rule is one rule with its targets, ready for use.
type rule struct {
	def     *registry.Rule
	source  inlet.Source
	names   ruleNames
	targets []*target
}

// target is one target of a rule.
type target struct {
	rule *rule
	def  *registry.Target
	at   registry.Resource // what its ARN names
	tag  string
	path *Path     // of InputPath; nil: none
	form *Template // of InputTransformer; nil: none

	deliver, bury inlet.Allowance // to the queue or topic, to the dead-letter queue
	warned        atomic.Int64
}

// ruleChanged is told by the registry.
func (s *Service) ruleChanged(old, now *registry.Rule) {
	def := now
	if def == nil {
		def = old
	}
	bus, name := def.Parts()
	at := place{def.Account, def.Region, bus}
	defer s.ticks.changed(old, now)
	if now == nil {
		s.dropRule(at, name)
		return
	}
	made, compiled, err := newRule(now)
	if err != nil {
		// It was checked before it was stored: another release knows more.
		s.log.Error("a rule cannot be read by this release, it gets no events here", logkey.Resource, now.ARN(), logkey.Error, err)
		compiled = nil
	}
	s.router(at, true).put(name, made, compiled)
}

// dropRule removes a rule, and with the last one what is kept of its bus.
func (s *Service) dropRule(at place, name string) {
	r := s.router(at, false)
	if r == nil || r.remove(name) > 0 {
		return
	}
	s.forget(at)
}

// forget drops what is kept of a bus that has nothing.
func (s *Service) forget(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.routers, at)
}

// putArchive adds an archive, or replaces it.
func (s *Service) putArchive(at place, def *registry.Archive) {
	r := s.router(at, true)
	made := &archive{def: def}
	var p *pattern.Pattern
	if def.Pattern != "" {
		var err error
		if p, err = pattern.Compile(pattern.Events, []byte(def.Pattern)); err != nil {
			s.log.Error("an archive cannot be read by this release, it gets no events here", logkey.Resource, def.ARN(), logkey.Error, err)
			made = nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropArchive(def.Name)
	if made == nil {
		return
	}
	if r.archives == nil {
		r.archives = make(map[string]*archive)
	}
	r.archives[def.Name] = made
	if p == nil {
		r.taking = append(r.taking, made)
	} else {
		r.patterns.Add(archivePrefix+def.Name, p)
	}
}

// dropArchive removes an archive, and with the last thing what is kept of its bus.
func (s *Service) dropArchive(at place, name string) {
	r := s.router(at, false)
	if r == nil {
		return
	}
	r.mu.Lock()
	r.dropArchive(name)
	left := len(r.rules) + len(r.archives)
	r.mu.Unlock()
	if left == 0 {
		s.forget(at)
	}
}

// dropArchive removes an archive. Call with mu held.
func (r *router) dropArchive(name string) {
	delete(r.archives, name)
	r.taking = slices.DeleteFunc(r.taking, func(a *archive) bool { return a.def.Name == name })
	r.patterns.Remove(archivePrefix + name)
}

// kept are the archives of an incarnation.
func (r *router) kept(incarnation uint64) (list []*archive) {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, a := range r.archives {
		if a.def.Bus == incarnation {
			list = append(list, a)
		}
	}
	return list
}

// allArchives are those of all buses.
func (s *Service) allArchives() (list []*registry.Archive) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.routers {
		r.mu.RLock()
		for _, a := range r.archives {
			list = append(list, a.def)
		}
		r.mu.RUnlock()
	}
	return list
}

// newRule compiles a rule. Without a pattern it gets no events.
func newRule(def *registry.Rule) (*rule, *pattern.Pattern, error) {
	_, name := def.Parts()
	r := &rule{
		def: def, source: inlet.Source{ARN: def.ARN(), Account: def.Account},
		names: ruleNames{arn: quote(def.ARN()), name: quote(name)},
	}
	var failed error
	for i := range def.Targets {
		t := &target{rule: r, def: &def.Targets[i], tag: tagOf(def.ID, def.Targets[i].ID)}
		t.at, _ = registry.ParseARN(t.def.ARN) // of another kind: a queue that is not there
		var err error
		switch {
		case t.def.InputPath != "":
			t.path, err = ParsePath(t.def.InputPath)
		case t.def.Template != "":
			t.form, err = ParseTemplate(t.def.Template, t.def.Paths)
		}
		failed = errors.Join(failed, err)
		r.targets = append(r.targets, t)
	}
	if def.Disabled || def.Pattern == "" {
		return r, nil, failed
	}
	p, err := pattern.Compile(pattern.Events, []byte(def.Pattern))
	return r, p, errors.Join(failed, err)
}

// router of a bus; made if there is none, or nil.
func (s *Service) router(at place, create bool) *router {
	s.mu.RLock()
	r := s.routers[at]
	s.mu.RUnlock()
	if r != nil || !create {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r = s.routers[at]; r == nil {
		r = &router{patterns: pattern.NewSet(), rules: make(map[string]*rule)}
		s.routers[at] = r
	}
	return r
}

// put adds a rule, or replaces it; p is nil if it is to get no events.
func (r *router) put(name string, made *rule, p *pattern.Pattern) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules[name] = made
	if p == nil {
		r.patterns.Remove(name)
	} else {
		r.patterns.Add(name, p)
	}
}

// remove takes a rule out and says how many there are still, archives included.
func (r *router) remove(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rules, name)
	r.patterns.Remove(name)
	return len(r.rules) + len(r.archives)
}

// count of the rules of an incarnation.
func (r *router) count(incarnation uint64) (n int) {
	if r == nil {
		return 0
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, made := range r.rules {
		if made.def.Bus == incarnation {
			n++
		}
	}
	return n
}

// list of the definitions of an incarnation's rules.
func (r *router) list(incarnation uint64) (list []*registry.Rule) {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, made := range r.rules {
		if made.def.Bus == incarnation {
			list = append(list, made.def)
		}
	}
	return list
}

// matched is what an event leads to on a bus.
type matched struct {
	targets  []*target
	rules    int
	archives []*archive
}

// match gives the targets of the rules that an event matches, and the archives, in one
// pass. The error is ErrEvent.
func (r *router) match(event []byte, incarnation uint64) (m matched, err error) {
	if r == nil {
		return m, nil
	}
	names, err := r.patterns.Match(event)
	if err != nil {
		return m, ErrEvent
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, id := range names {
		if name, ok := strings.CutPrefix(id, archivePrefix); ok {
			if a := r.archives[name]; a != nil && a.def.Bus == incarnation {
				m.archives = append(m.archives, a)
			}
			continue
		}
		// A rule can have changed since: what it is now, counts.
		if made := r.rules[id]; made != nil && made.def.Bus == incarnation && !made.def.Disabled {
			m.targets = append(m.targets, made.targets...)
			m.rules++
		}
	}
	for _, a := range r.taking {
		if a.def.Bus == incarnation {
			m.archives = append(m.archives, a)
		}
	}
	return m, nil
}

// ruleKey is the name of a rule's definition.
func ruleKey(bus, rule string) string { return bus + "/" + rule }
