package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// Event is what is put on a bus.
type Event struct {
	// Account and Region of whoever puts it.
	Account, Region    string
	Source, DetailType string
	Detail             string // a JSON object
	Resources          []string
	Time               time.Time // zero: when it is put
	Trace              string    // AWSTraceHeader, "": none
}

// document is an event as JSON, as rules and targets see it.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/aws-events.html
type document struct {
	text []byte
	// at is where the detail's member begins, with its comma.
	at int

	found map[string][]byte // by path, what find found
	read  int               // bytes that find went over
}

// maxRead bounds the bytes that paths go over in one event, all of its targets
// together, some 0.6 s; each goes over the whole event, those of the same text once.
const maxRead = 256 << 20

var errRead = errors.New("the paths of the targets have more than 256 MiB of the event to read")

// find gives what a path leads to in the event, nil if that is nothing. The error is
// errRead. One goroutine at a time.
func (d *document) find(p *Path) ([]byte, error) {
	if v, ok := d.found[p.text]; ok {
		return v, nil
	}
	if d.read += len(d.text); d.read > maxRead {
		return nil, errRead
	}
	v, _ := p.find(d.text)
	if p.wide {
		return v, nil // it is not a part of the event, and takes memory of its own
	}
	if d.found == nil {
		d.found = make(map[string][]byte)
	}
	d.found[p.text] = v
	return v, nil
}

// newDocument writes an event.
func newDocument(id partition.MessageID, e *Event, now time.Time) (*document, error) {
	if e.Time.IsZero() {
		e.Time = now
	}
	var b bytes.Buffer
	b.Grow(len(e.Detail) + 512)
	member := func(name string, value []byte) {
		b.WriteString(`,"`)
		b.WriteString(name)
		b.WriteString(`":`)
		b.Write(value)
	}
	b.WriteString(`{"version":"0"`)
	member("id", quote(id.String()))
	member("detail-type", quote(e.DetailType))
	member("source", quote(e.Source))
	member("account", quote(e.Account))
	member("time", quote(e.Time.UTC().Format("2006-01-02T15:04:05Z")))
	member("region", quote(e.Region))
	resources := []byte{'['}
	for i, r := range e.Resources {
		if i > 0 {
			resources = append(resources, ',')
		}
		resources = append(resources, quote(r)...)
	}
	member("resources", append(resources, ']'))
	d := &document{at: b.Len()}
	b.WriteString(`,"detail":`)
	if err := json.Compact(&b, []byte(escaped(e.Detail))); err != nil {
		return nil, err
	}
	b.WriteByte('}')
	d.text = b.Bytes()
	return d, nil
}

// bare is the event without its detail.
func (d *document) bare() []byte { return append(d.text[:d.at:d.at], '}') }

// escaped writes the two characters that JSON may hold and messages of queues may not
// by their numbers. In JSON they can only stand in strings.
func escaped(s string) string { return noncharacters.Replace(s) }

var noncharacters = strings.NewReplacer("\ufffe", `\ufffe`, "\uffff", `\uffff`)

// quote writes a string as JSON.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string, into memory
	return []byte(escaped(string(bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))))
}
