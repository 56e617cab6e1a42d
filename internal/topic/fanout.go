package topic

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
)

// fanout is the subscriptions of one topic, as publishes need them. Its patterns are
// pattern.Sets, which are matched without a lock while they change.
type fanout struct {
	attributes, body *pattern.Set

	mu       sync.RWMutex
	members  map[string]*member // by id, those that are not confirmed too; guarded by mu
	pending  int                // of them, not confirmed; guarded by mu
	filtered [2]int             // with a policy over attributes, over the body; guarded by mu
	plain    []*member          // confirmed and without a policy; nil: to be listed anew; guarded by mu
	changes  uint64             // of members, so far; guarded by mu
}

// member is one subscription.
type member struct {
	def    *registry.Subscription
	id     string
	policy *pattern.Pattern // nil: none
	// reference of its messages, see referenceOf.
	reference string

	deliver, bury allowance // to the endpoint, to the dead-letter queue
	warned        atomic.Int64
	pushed        pushedPointer // of those that messages are pushed to
}

// allowance remembers for a second whether a queue's policy lets the topic send.
type allowance struct {
	last atomic.Pointer[verdict]
}

type verdict struct {
	queue *registry.Queue // of which it was: a changed definition is another pointer
	allow bool
	until time.Time
}

func newFanout() *fanout {
	return &fanout{attributes: pattern.NewSet(), body: pattern.NewSet(), members: make(map[string]*member)}
}

func newMember(def *registry.Subscription) *member {
	_, id := def.Parts()
	return &member{def: def, id: id, reference: referenceOf(id, def.Raw)}
}

// dialect of a subscription's filter policy.
func dialect(body bool) pattern.Dialect {
	if body {
		return pattern.Body
	}
	return pattern.Attributes
}

// subscriptionChanged is told by the registry.
func (s *Service) subscriptionChanged(old, now *registry.Subscription) {
	if old != nil && (now == nil || now.TopicID != old.TopicID) {
		if f := s.fanout(old.TopicID, false); f != nil {
			f.remove(old)
		}
	}
	if now == nil {
		return
	}
	m := newMember(now)
	if now.FilterPolicy != "" {
		var err error
		if m.policy, err = pattern.Compile(dialect(now.FilterBody), []byte(now.FilterPolicy)); err != nil {
			// It was checked before it was stored: another release knows more.
			s.log.Error("a filter policy cannot be read by this release, nothing is delivered to its subscription here",
				logkey.Resource, now.ARN(), logkey.Error, err)
		}
	}
	s.fanout(now.TopicID, true).put(m)
}

// fanout of a topic; made if there is none, or nil.
func (s *Service) fanout(topic uint64, create bool) *fanout {
	s.mu.RLock()
	f := s.fanouts[topic]
	s.mu.RUnlock()
	if f != nil || !create {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.fanouts[topic]; f == nil {
		f = newFanout()
		s.fanouts[topic] = f
	}
	return f
}

func (f *fanout) put(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.take(m.id)
	f.changes++
	f.members[m.id] = m
	switch {
	case m.def.Pending:
		f.pending++
	case m.def.FilterPolicy == "":
		f.plain = nil
	default:
		f.filtered[scope(m.def)]++
		if m.policy != nil {
			f.set(m.def).Add(m.id, m.policy)
		}
	}
}

func (f *fanout) remove(def *registry.Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, id := def.Parts()
	if m := f.members[id]; m != nil && m.def.ID == def.ID {
		f.take(id)
	}
}

// take takes a member out, if there is one. Call with mu held.
func (f *fanout) take(id string) {
	m := f.members[id]
	if m == nil {
		return
	}
	f.changes++
	delete(f.members, id)
	switch {
	case m.def.Pending:
		f.pending--
	case m.def.FilterPolicy == "":
		f.plain = nil
	default:
		f.filtered[scope(m.def)]--
		f.set(m.def).Remove(id)
	}
}

func scope(def *registry.Subscription) int {
	if def.FilterBody {
		return 1
	}
	return 0
}

func (f *fanout) set(def *registry.Subscription) *pattern.Set {
	if def.FilterBody {
		return f.body
	}
	return f.attributes
}

// counts of subscriptions, and of those with a filter policy.
func (f *fanout) counts() (confirmed, pending, policies int) {
	if f == nil {
		return 0, 0, 0
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.members) - f.pending, f.pending, f.filtered[0] + f.filtered[1]
}

// list of the definitions of all members.
func (f *fanout) list() []*registry.Subscription {
	if f == nil {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	list := make([]*registry.Subscription, 0, len(f.members))
	for _, m := range f.members {
		list = append(list, m.def)
	}
	return list
}

// matchAttempts is how often a message is matched anew when a subscription changes
// meanwhile; then changes wait for it.
const matchAttempts = 3

// match gives the members that want a message, and how many others there are, all as
// of one moment: a member that changes is neither left out nor there twice. What it
// gives must not be changed. The error is ErrUnmatched.
func (f *fanout) match(m *Message) (list []*member, filtered int, err error) {
	if f == nil {
		return nil, 0, nil
	}
	for range matchAttempts {
		plain, policies, before := f.unfiltered()
		if policies == [2]int{} {
			return plain, 0, nil
		}
		ids, err := f.wanting(m, policies)
		if err != nil {
			return nil, 0, err
		}
		f.mu.RLock()
		if f.changes == before {
			list = f.joined(plain, ids)
		}
		f.mu.RUnlock()
		if list != nil {
			return list, policies[0] + policies[1] - len(ids), nil
		}
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	ids, err := f.wanting(m, f.filtered)
	if err != nil {
		return nil, 0, err
	}
	return f.joined(f.listPlain(), ids), f.filtered[0] + f.filtered[1] - len(ids), nil
}

// wanting gives the ids of members with a policy that matches a message.
func (f *fanout) wanting(m *Message, policies [2]int) (ids []string, err error) {
	if policies[0] > 0 {
		if ids, err = f.attributes.MatchAttributes(patternAttributes(m.Attributes)); err != nil {
			return nil, ErrUnmatched
		}
	}
	if policies[1] > 0 {
		more, err := f.body.Match([]byte(m.Body))
		switch {
		case err == nil:
			ids = append(ids, more...)
		case err == pattern.ErrWork: //nolint:errorlint // as Match documents it
			return nil, ErrUnmatched
		}
		// What is no JSON object matches no policy over the body.
	}
	return ids, nil
}

// joined is plain, and the members of those ids. Call with mu held.
func (f *fanout) joined(plain []*member, ids []string) []*member {
	list := append(make([]*member, 0, len(plain)+len(ids)), plain...)
	for _, id := range ids {
		list = append(list, f.members[id])
	}
	return list
}

// unfiltered gives the members without a policy, how many others have one, and the
// number of changes of which that is the outcome.
func (f *fanout) unfiltered() ([]*member, [2]int, uint64) {
	f.mu.RLock()
	plain, policies, changes := f.plain, f.filtered, f.changes
	f.mu.RUnlock()
	if plain != nil {
		return plain, policies, changes
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plain == nil {
		f.plain = f.listPlain()
	}
	return f.plain, f.filtered, f.changes
}

// listPlain lists the members without a policy. Call with mu held.
func (f *fanout) listPlain() []*member {
	list := make([]*member, 0, len(f.members)-f.pending-f.filtered[0]-f.filtered[1])
	for _, m := range f.members {
		if !m.def.Pending && m.def.FilterPolicy == "" {
			list = append(list, m)
		}
	}
	return list
}

func patternAttributes(list []partition.Attribute) []pattern.Attribute {
	out := make([]pattern.Attribute, len(list))
	for i, a := range list {
		out[i] = pattern.Attribute{Name: a.Name, Type: a.Type, Value: a.Value}
	}
	return out
}
