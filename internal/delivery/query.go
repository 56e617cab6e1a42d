package delivery

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// State of an endpoint, as this node knows it.
type State string

// The states of an endpoint.
const (
	StateOK       State = "ok"
	StateFailing  State = "failing"  // the last attempt failed
	StateOpen     State = "open"     // its circuit is open: tried now and then
	StateDisabled State = "disabled" // until it is enabled
)

// EndpointStatus is an endpoint with what is known of it.
type EndpointStatus struct {
	Name        string     `json:"name"`
	Address     string     `json:"address"`
	State       State      `json:"state"`
	Since       *time.Time `json:"failing_since,omitempty"`
	DisabledAt  *time.Time `json:"disabled_at,omitempty"`
	Class       Class      `json:"class,omitempty"` // of the failure that was noted
	Status      int        `json:"status,omitempty"`
	Waiting     int        `json:"waiting"` // messages, those included that wait for another attempt
	InFlight    int        `json:"in_flight"`
	Undelivered int        `json:"undelivered"`
}

// maxListed bounds the entries of one page.
const maxListed = 1000

// Endpoints lists up to max endpoints behind the one named after ("": from the start);
// next is where to go on, "" at the end. Errors: ErrPage; those of Partitions.
func (s *Service) Endpoints(ctx context.Context, after string, max int) (list []EndpointStatus, next string, err error) {
	max = min(max, maxListed)
	form := byte(0)
	if after != "" {
		n, rest, ok := cutNumber(after)
		if !ok || n > 255 {
			return nil, "", ErrPage
		}
		form, after = byte(n), rest
	}
	for f := int(form); f < 256; f++ {
		r := s.cfg.Resolvers[byte(f)]
		if r == nil {
			continue
		}
		if byte(f) != form {
			after = ""
		}
		found, more := r.Endpoints(after, max-len(list))
		for _, e := range found {
			st, err := s.statusOf(ctx, e)
			if err != nil {
				return nil, "", err
			}
			list = append(list, st)
		}
		if more || len(list) == max {
			last := after
			if len(found) > 0 {
				last = found[len(found)-1].Name
			}
			return list, strconv.Itoa(f) + " " + last, nil
		}
	}
	return list, "", nil
}

func cutNumber(s string) (n int, rest string, ok bool) {
	for i := range len(s) {
		if s[i] == ' ' {
			n, err := strconv.Atoi(s[:i])
			return n, s[i+1:], err == nil && n >= 0
		}
	}
	return 0, "", false
}

func (s *Service) statusOf(ctx context.Context, e *Endpoint) (EndpointStatus, error) {
	st := EndpointStatus{Name: e.Name, Address: e.Address, State: StateOK}
	waiting, err := s.count(ctx, e.Queue)
	if err != nil {
		return st, err
	}
	kept, err := s.count(ctx, undeliveredOf(e.Queue))
	if err != nil {
		return st, err
	}
	st.Waiting, st.InFlight, st.Undelivered = waiting.Visible+waiting.Delayed, waiting.InFlight, kept.Visible
	if c := s.circuits.peek(e.Queue.Queue.ID); c != nil {
		c.mu.Lock()
		switch {
		case c.open:
			st.State = StateOpen
		case c.failed:
			st.State = StateFailing
		}
		c.mu.Unlock()
	}
	if h := s.healthOf(e.Queue); h != nil {
		st.State, st.Class, st.Status = StateOpen, Class(h.Class), h.Status
		since := time.UnixMilli(h.Since).UTC()
		st.Since = &since
		if h.Disabled != 0 {
			at := time.UnixMilli(h.Disabled).UTC()
			st.State, st.DisabledAt = StateDisabled, &at
		}
	}
	return st, nil
}

// count counts a queue that is there or not.
func (s *Service) count(ctx context.Context, q partition.Target) (partition.Counts, error) {
	n, err := s.parts.CountOf(ctx, q)
	if errors.Is(err, partition.ErrQueueGone) {
		return partition.Counts{}, nil
	}
	return n, err
}

func (s *Service) named(ctx context.Context, name string) (*Endpoint, error) {
	for _, r := range s.cfg.Resolvers {
		e, err := r.Named(ctx, name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		return e, err
	}
	return nil, ErrNotFound
}

// Filter chooses attempts or undelivered messages; the zero value chooses all.
type Filter struct {
	Since   time.Time // zero: from the start
	Message string    // id; "": any
	Class   Class     // "": any
	Status  int       // 0: any
	Failed  bool      // only what was not delivered
}

func (f *Filter) wants(at time.Time, message string, c Class, status int) bool {
	return !at.Before(f.Since) && (f.Message == "" || f.Message == message) && (f.Class == "" || f.Class == c) &&
		(f.Status == 0 || f.Status == status) && (!f.Failed || c != Delivered)
}

// readAtOnce messages of a queue.
const readAtOnce = 100

// Attempts lists what was tried at an endpoint, the oldest first, from a place that an
// earlier call gave ("": from the start); next is where to go on, "" at the end. A page
// may have fewer than max entries, or a few more, though it is not the last.
func (s *Service) Attempts(ctx context.Context, name string, f Filter, from string, max int) (list []Attempt, next string, err error) {
	e, err := s.named(ctx, name)
	if err != nil {
		return nil, "", err
	}
	next, err = s.read(ctx, attemptsOf(e.Queue), from, func(m *partition.Found) (bool, error) {
		all, err := readAttempts(m.Payload)
		for i := range all {
			if f.wants(all[i].Time, all[i].Message, all[i].Class, all[i].Status) {
				list = append(list, all[i])
			}
		}
		return len(list) < min(max, maxListed), err
	})
	return list, next, err
}

// Undelivered lists messages that an endpoint did not get, as Attempts does.
func (s *Service) Undelivered(ctx context.Context, name string, f Filter, from string, max int) (list []Undelivered, next string, err error) {
	e, err := s.named(ctx, name)
	if err != nil {
		return nil, "", err
	}
	next, err = s.read(ctx, undeliveredOf(e.Queue), from, func(m *partition.Found) (bool, error) {
		u, err := readUndelivered(m)
		if err == nil && f.wants(u.Time, u.Message, u.Class, u.Status) {
			u.payload = nil
			list = append(list, *u)
		}
		return len(list) < min(max, maxListed), err
	})
	return list, next, err
}

// read calls each with the messages of a queue in their order until it wants no more.
func (s *Service) read(ctx context.Context, q partition.Target, from string, each func(*partition.Found) (bool, error)) (string, error) {
	at := uint64(0)
	if from != "" {
		var err error
		if at, err = strconv.ParseUint(from, 10, 64); err != nil {
			return "", ErrPage
		}
	}
	for {
		found, next, err := s.parts.Read(ctx, q, at, readAtOnce)
		if errors.Is(err, partition.ErrQueueGone) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		for i := range found {
			more, err := each(&found[i])
			if err != nil {
				return "", err
			}
			if !more && (i+1 < len(found) || next != 0) {
				return strconv.FormatUint(found[i].Key+1, 10), nil
			}
		}
		if next == 0 {
			return "", nil
		}
		at = next
	}
}

// Redeliver has undelivered messages tried again that f chooses: each leaves what is
// undelivered at the moment at which it stands in the endpoint's queue. ids, if any, name
// some of them. It gives how many there were, also with an error. What comes back to them
// meanwhile is not tried once more. An endpoint that is disabled has to be enabled first.
func (s *Service) Redeliver(ctx context.Context, name string, f Filter, ids []string) (n int, err error) {
	e, err := s.named(ctx, name)
	if err != nil {
		return 0, err
	}
	if h := s.healthOf(e.Queue); h != nil && h.Disabled != 0 {
		return 0, ErrDisabled
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	from := undeliveredOf(e.Queue)
	there, err := s.count(ctx, from)
	if err != nil {
		return 0, err
	}
	left := there.Visible // what comes from now on stands behind those
	_, err = s.read(ctx, from, "", func(m *partition.Found) (bool, error) {
		left--
		u, err := readUndelivered(m)
		if err != nil || left < 0 {
			return false, err
		}
		if !f.wants(u.Time, u.Message, u.Class, u.Status) || len(ids) > 0 && !wanted[u.ID] {
			return left > 0, nil
		}
		_, err = s.parts.PostIf(ctx, from.Partition,
			[]partition.Condition{{Queue: from.Queue, Name: u.name, Key: u.key, Remove: true}},
			[]partition.PostItem{{Payload: u.payload, Targets: []partition.PostTarget{{Target: e.Queue, Reference: u.reference}}}})
		if errors.Is(err, partition.ErrCondition) {
			return left > 0, nil // another has it tried again
		}
		if err == nil {
			n++
		}
		return left > 0 && (len(ids) == 0 || n < len(ids)), err
	})
	return n, err
}
