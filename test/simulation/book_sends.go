package simulation

import (
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// sending notes that a message is about to be sent, again if it was before.
func (b *book) sending(p *page, id, group, body string, delay time.Duration) *message {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.msgs[id]
	if m == nil {
		m = &message{id: id, body: body, group: group, page: p, delay: delay, first: time.Now()}
		b.msgs[id] = m
		p.groups[group] = append(p.groups[group], m)
		b.stats.Sends++
	}
	m.again, m.last = time.Now(), time.Now().Add(late)
	m.asking++
	return m
}

// sent notes the answer of a send.
func (b *book) sent(m *message, server partition.MessageID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.again = time.Now()
	m.asking--
	if !m.acked.IsZero() {
		if m.sentID != server && !m.purged() {
			b.about(m, "%s: a repeated send of %s was stored again, as %v", m.page.name, m.id, server)
		}
		return
	}
	m.acked, m.sentID = time.Now(), server
	m.last = m.acked
	if m.unsure.After(m.last) {
		m.last = m.unsure
	}
	b.stats.Acknowledged++
}

// unsent notes that a send got no answer. Its owner may take it up later, and store
// the message as a new one if its deduplication id is forgotten by then.
func (b *book) unsent(m *message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.asking--
	m.unsure = time.Now().Add(late)
}

// settled reports whether all that was asked for a message had its effect before a time.
func (m *message) settled(before time.Time) bool {
	return m.asking == 0 && !m.acked.IsZero() && m.acked.Before(before) && m.again.Before(before) && m.unsure.Before(before)
}
