package scheduler

import (
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// bury plans the dead letter of a firing that is given up, if there is a queue that can
// take it; exhausted is what its retry policy had no more of, "" for a permanent fault.
// The error is one that passes.
func (d *delivery) bury(ctx context.Context, f *fault, exhausted string) (items []partition.PostItem, err error) {
	arn := d.target.DeadLetterARN
	if arn == "" {
		d.tell(f, exhausted, "")
		return nil, nil
	}
	q, err := d.s.finder.Queue(ctx, arn, d.s.cfg.Now())
	switch {
	case errors.Is(err, inlet.ErrGone):
		d.tell(f, exhausted, "the dead-letter queue does not exist")
		return nil, nil
	case err != nil:
		return nil, err
	case q.FIFO:
		d.tell(f, exhausted, "the dead-letter queue is FIFO")
		return nil, nil
	}
	if err := d.may("sqs:SendMessage", arn, q.Account, q.Policy); err != nil {
		d.tell(f, exhausted, "it may not be sent to the dead-letter queue: "+err.Error())
		return nil, nil
	}
	m := CallMessage{Body: cmp.Or(d.input, "{}"), Attributes: d.attributes(f, exhausted)}
	if most := cmp.Or(q.MaxMessageSize, maxMessage); m.size() > most {
		room := most - (m.size() - len(m.Body))
		if room <= 0 {
			d.tell(f, exhausted, "the dead-letter queue takes no message of that size")
			return nil, nil
		}
		m.Body = strings.ToValidUTF8(m.Body[:room], "")
		set(m.Attributes, "IS_PAYLOAD_TRUNCATED", "true")
	}
	d.tell(f, exhausted, "dead-lettered")
	return []partition.PostItem{d.dead(q, &m)}, nil
}

func (d *delivery) dead(q *registry.Queue, m *CallMessage) partition.PostItem {
	out := partition.Message{ID: d.s.cfg.NewID(), Body: m.Body, BodyMD5: md5.Sum([]byte(m.Body)), Attributes: m.Attributes, SenderID: d.sender()}
	return partition.PostItem{Payload: partition.EncodeMessage(&out), Targets: []partition.PostTarget{partition.QueueTarget(q, "", "", out.ID)}}
}

func set(list []partition.Attribute, name, value string) {
	for i := range list {
		if list[i].Name == name {
			list[i].Value = value
		}
	}
}

// maxFault bounds the sentence of a dead letter, in bytes.
const maxFault = 1024

// attributes are those that a dead letter has, in the order of their names.
func (d *delivery) attributes(f *fault, exhausted string) []partition.Attribute {
	message := f.message
	if len(message) > maxFault {
		message = strings.ToValidUTF8(message[:maxFault], "")
	}
	list := []partition.Attribute{
		{Name: "ERROR_CODE", Value: f.code}, {Name: "ERROR_MESSAGE", Value: message}, {Name: "EXECUTION_ID", Value: d.when.execution()},
		{Name: "EXHAUSTED_RETRY_CONDITION", Value: exhausted}, {Name: "IS_PAYLOAD_TRUNCATED", Value: "false"},
		{Name: "RETRY_ATTEMPTS", Value: strconv.Itoa(d.when.attempt - 1)}, {Name: "SCHEDULED_TIME", Value: d.when.nominal.UTC().Format(timeForm)},
		{Name: "SCHEDULE_ARN", Value: d.when.arn}, {Name: "TARGET_ARN", Value: d.target.ARN},
	}
	if exhausted == "" {
		list = append(list[:3], list[4:]...)
	}
	for i := range list {
		list[i].Type = "String"
	}
	return list
}

// tell logs a firing that was given up, of each schedule once a minute at most.
func (d *delivery) tell(f *fault, exhausted, rest string) {
	if d.s.told.may(d.when.arn, d.s.cfg.Now()) {
		d.s.log.Warn("a schedule could not be fired", logkey.Resource, d.when.arn, "target", d.target.ARN, "code", f.code, "why", f.message,
			"attempts", d.when.attempt, "exhausted", exhausted, "outcome", cmp.Or(rest, "lost"))
	}
}

// telling keeps lines about one thing a minute apart. It knows 1,000 at a time: more are
// not told of within the minute.
type telling struct {
	mu    sync.Mutex
	since time.Time           // guarded by mu
	told  map[string]struct{} // within the minute since then; guarded by mu
}

const maxTold = 1000

func (t *telling) may(what string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told == nil || now.Sub(t.since) >= time.Minute || now.Before(t.since) {
		t.since, t.told = now, make(map[string]struct{})
	}
	if _, ok := t.told[what]; ok || len(t.told) >= maxTold {
		return false
	}
	t.told[what] = struct{}{}
	return true
}
