package owner

import "github.com/waystation/waystation/internal/partition/state"

// Condition is what a post asks of a service's queue on the partition that is
// posted from.
type Condition struct {
	Queue state.Ref `cbor:"1,keyasint"`
	// Name must be that of the message with this key; key 0: of none.
	Name state.Name `cbor:"2,keyasint"`
	Key  uint64     `cbor:"3,keyasint,omitempty"`
	// Remove that message together with the post, whatever its state.
	Remove bool `cbor:"4,keyasint,omitempty"`
}

// conditionBytes is what the removal of a message takes in a record.
const conditionBytes = 64

// openConditions brings the queues that conditions ask about up to now; others may
// get the lock in between. What was due in them is written as a record of its own: there
// may be many of them, and the post's record have no room for it. Call with mu held.
func (o *Owner) openConditions(conditions []Condition) (err error) {
	for i := range conditions {
		if conditions[i].Queue.Kind < state.FirstService {
			err = ErrQueueGone
		} else if _, _, err = o.open(conditions[i].Queue); err == nil {
			_, err = o.write()
		}
		if err != nil {
			o.closeConditions(conditions[:i])
			return err
		}
	}
	return nil
}

// meet checks all conditions, then removes what they say. ErrCondition: nothing was
// changed. Call with mu held, after openConditions.
func (o *Owner) meet(conditions []Condition) error {
	for i := range conditions {
		c := &conditions[i]
		if m, _ := o.st.Open(c.Queue).Named(c.Name); m.Key != c.Key {
			return ErrCondition
		}
	}
	for i := range conditions {
		if c := &conditions[i]; c.Remove {
			o.st.Cancel(o.st.Open(c.Queue), c.Name)
		}
	}
	return nil
}

// closeConditions forgets queues that were only asked about. Call with mu held.
func (o *Owner) closeConditions(conditions []Condition) {
	for i := range conditions {
		if q := o.st.Find(conditions[i].Queue); q != nil {
			o.abandon(q)
		}
	}
}
