package delivery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
)

// buryAgain is how long a message waits that could not be posted where it is to end up.
const buryAgain = 30 * time.Second

// bury puts a message that is given up into the dead-letter queue, or else among what is
// undelivered, and then removes it: it may be in both for a moment, never in none.
func (d *delivery) bury(ctx context.Context, f Failure) {
	dead, err := d.toDeadLetters(ctx, &f)
	if err == nil && !dead && !d.e.Discard {
		err = d.s.keep(ctx, d, f)
	}
	if err != nil {
		d.s.log.Warn("a message that is given up cannot be put aside yet", logkey.Resource, d.e.Name, logkey.Error, err)
		d.retry(ctx, d.s.cfg.Now().Add(jittered(buryAgain, d.s.cfg.Chance())))
		return
	}
	d.ack(ctx)
	counted := Counted{Undelivered: 1}
	if dead {
		counted = Counted{DeadLettered: 1}
	}
	d.s.cfg.Observe(counted)
	d.s.log.Debug("a message is given up", logkey.Resource, d.e.Name, "message", d.msg.ID, "class", f.Class, "status", f.Status,
		"attempts", f.Attempts, "dead_lettered", dead)
}

func (d *delivery) toDeadLetters(ctx context.Context, f *Failure) (bool, error) {
	if d.e.Bury == nil {
		return false, nil
	}
	item, why, err := d.e.Bury(ctx, &d.msg, *f)
	if err != nil {
		return false, err
	}
	if item == nil {
		f.Text = beginning([]byte(f.Text+"; nor to the dead-letter queue: "+why), MaxAnswer)
		return false, nil
	}
	posted, err := d.s.parts.Post(ctx, d.queue.Partition, []partition.PostItem{*item})
	if err != nil {
		return false, err
	}
	return len(posted) > 0 && !posted[0].Gone, nil
}

// Undelivered is a message that was given up and had no dead-letter queue.
type Undelivered struct {
	ID       string    `json:"id"` // to name it by
	Message  string    `json:"message,omitempty"`
	Time     time.Time `json:"time"` // when it was given up
	Sent     time.Time `json:"sent"`
	Attempts int       `json:"attempts"`
	Status   int       `json:"status,omitempty"`
	Class    Class     `json:"class"`
	Text     string    `json:"text,omitempty"`

	reference string
	payload   []byte
	name      partition.Name
	key       uint64
}

const undeliveredVersion = 1

var errUndelivered = errors.New("delivery: malformed undelivered message")

// encode gives the stored form:
//
//	version 1 | time | sent | attempts | status | class | message | text | reference | payload
func (u *Undelivered) encode() []byte {
	b := make([]byte, 0, len(u.payload)+len(u.Text)+len(u.Message)+len(u.reference)+64)
	b = append(b, undeliveredVersion)
	b = binary.AppendVarint(b, u.Time.UnixMilli())
	b = binary.AppendVarint(b, u.Sent.UnixMilli())
	b = binary.AppendUvarint(b, uint64(u.Attempts))
	b = binary.AppendUvarint(b, uint64(u.Status))
	for _, s := range []string{string(u.Class), u.Message, u.Text, u.reference} {
		b = fields.AppendText(b, s)
	}
	return append(b, u.payload...)
}

// readUndelivered is the inverse of encode; it shares memory with b.
func readUndelivered(f *partition.Found) (*Undelivered, error) {
	r := fields.Reader{Rest: f.Payload}
	if v := r.Byte(); v != undeliveredVersion && r.Err == nil {
		return nil, fmt.Errorf("delivery: an undelivered message of version %d, this release reads up to %d", v, undeliveredVersion)
	}
	u := &Undelivered{
		Time: time.UnixMilli(r.Varint()).UTC(), Sent: time.UnixMilli(r.Varint()).UTC(),
		Attempts: int(r.Uvarint()), Status: int(r.Uvarint()), Class: Class(r.Text()), Message: r.Text(), Text: r.Text(),
		reference: r.Text(), ID: strconv.FormatUint(f.Key, 10), name: f.Name, key: f.Key,
	}
	if r.Err != nil {
		return nil, errUndelivered
	}
	u.payload = r.Rest
	return u, nil
}

// keep puts a message among what is undelivered; the same message is there once.
func (s *Service) keep(ctx context.Context, d *delivery, f Failure) error {
	u := Undelivered{
		Message: d.msg.ID, Time: s.cfg.Now(), Sent: d.msg.Sent, Attempts: f.Attempts, Status: f.Status, Class: f.Class,
		Text: beginning([]byte(f.Text), MaxAnswer), reference: d.msg.Reference, payload: d.msg.Payload,
	}
	to := undeliveredOf(d.queue)
	// The key in the queue of deliveries tells its messages apart.
	name := partition.NameOf("undelivered " + d.queue.Queue.String() + " " + strconv.FormatUint(d.receipt.Key, 10) + " " +
		strconv.FormatInt(d.msg.Sent.UnixMilli(), 10))
	post := func() error {
		_, err := s.parts.Post(ctx, d.queue.Partition, []partition.PostItem{{
			Payload: u.encode(), Targets: []partition.PostTarget{{Target: to, Name: name, Replace: true}},
		}})
		return err
	}
	err := post()
	if errors.Is(err, partition.ErrTooLarge) { // the message alone is as large as may be
		u.Text = ""
		err = post()
	}
	if err == nil {
		s.attempts.keepBelow(ctx, to, MaxUndelivered)
	}
	return err
}
