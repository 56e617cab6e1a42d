package state

import (
	"encoding/binary"

	"github.com/waystation/waystation/internal/fields"
)

// keptTasks is how many move tasks are remembered for each queue.
const keptTasks = 10

// The states of a move task.
const (
	MoveRunning    = "RUNNING"
	MoveCompleted  = "COMPLETED"
	MoveCancelling = "CANCELLING"
	MoveCancelled  = "CANCELLED"
	MoveFailed     = "FAILED"
)

// Task moves the messages of a dead-letter queue elsewhere. Every change of it
// is a fact of the source queue, together with the messages it moved.
type Task struct {
	ID string
	// Source and Destination are ARNs; an empty Destination sends every
	// message back to the queue it came from.
	Source, Destination string
	// Rate in messages a second; 0: as fast as the platform likes.
	Rate          int
	Status        string
	Moved, ToMove int64
	// Started is in Unix milliseconds.
	Started       int64
	FailureReason string
}

var taskStatuses = []string{MoveRunning, MoveCompleted, MoveCancelling, MoveCancelled, MoveFailed}

func (t *Task) encode(b []byte) []byte {
	b = fields.AppendText(b, t.ID)
	b = fields.AppendText(b, t.Source)
	b = fields.AppendText(b, t.Destination)
	b = binary.AppendUvarint(b, uint64(t.Rate))
	var status byte
	for i, s := range taskStatuses {
		if s == t.Status {
			status = byte(i)
		}
	}
	b = append(b, status)
	b = binary.AppendVarint(b, t.Moved)
	b = binary.AppendVarint(b, t.ToMove)
	b = binary.AppendVarint(b, t.Started)
	return fields.AppendText(b, t.FailureReason)
}

func (t *Task) decode(r *reader) {
	t.ID, t.Source, t.Destination = r.Text(), r.Text(), r.Text()
	t.Rate = int(r.Uvarint())
	if i := int(r.Byte()); i < len(taskStatuses) {
		t.Status = taskStatuses[i]
	} else {
		r.Fail()
	}
	t.Moved, t.ToMove, t.Started = r.Varint(), r.Varint(), r.Varint()
	t.FailureReason = r.Text()
}

func (t *Task) active() bool { return t.Status == MoveRunning || t.Status == MoveCancelling }

// Tasks of a queue that are remembered, the newest last.
func (s *State) Tasks(q *Queue) []*Task { return s.tasks[q] }

// ActiveTask is the task of a queue that runs or is being cancelled; nil if none is.
func (s *State) ActiveTask(q *Queue) *Task { return s.active[q] }

// Active are the queues that have an active task.
func (s *State) Active() []*Queue {
	list := make([]*Queue, 0, len(s.active))
	for q := range s.active {
		list = append(list, q)
	}
	return list
}

// SetTask writes a task that is new or was changed.
func (s *State) SetTask(q *Queue, t *Task) {
	s.putTask(q.Ref, t)
	s.task(q, t)
}

// task replaces the task of the same id or adds it.
func (s *State) task(q *Queue, t *Task) {
	list := s.tasks[q]
	found := false
	for i := range list {
		if list[i].ID == t.ID {
			list[i], found = t, true
		}
	}
	if !found {
		list = append(list, t)
	}
	if n := len(list) - keptTasks; n > 0 {
		list = append([]*Task(nil), list[n:]...)
	}
	s.setTasks(q, list)
}

func (s *State) setTasks(q *Queue, list []*Task) {
	delete(s.active, q)
	if len(list) == 0 {
		delete(s.tasks, q)
		return
	}
	s.tasks[q] = list
	for _, t := range list {
		if t.active() {
			s.active[q] = t
		}
	}
}
