package registry

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/fields"
)

// An entry of the log holds changes that were made at once:
//
//	version    1 byte
//	flags      1 byte
//	revision   uvarint: one more than that of the entry before
//	floor      uvarint: a revision; the log is whole from that entry on
//	total      uvarint: items ever written, those of this entry included
//	floorTotal uvarint: items ever written before the floor
//	before     8 bytes: checksum of the entry before
//	items      uvarint: how many, then each: 1 byte what it is, uvarint length, bytes
//	checksum   8 bytes: the first of the SHA-256 of all that stands before
//
// The entries form a chain: a missing, exchanged or altered one shows.
type entry struct {
	flags      byte
	revision   uint64
	floor      uint64
	total      uint64
	floorTotal uint64
	before     checksum
	items      []item

	sum checksum // its own
}

type checksum [8]byte

// item is one change.
type item struct {
	op   byte
	data []byte
}

const entryVersion = 1

// What an item is.
const (
	opPut    = 1 // a definition: sealed
	opDelete = 2 // a deletion: see deletion
	opKeep   = 3 // a definition written again as it is, so that older entries can go
)

// Flags of an entry.
const (
	flagBase  = 1 << iota // the log begins here: the entry before counts for nothing
	flagOpen              // the log is not whole before an entry without this flag follows
	flagKeeps             // there are opKeep items
	flagsKnown
)

func sumOf(b []byte) (s checksum) {
	h := sha256.Sum256(b)
	copy(s[:], h[:])
	return s
}

// encode renders e and sets its sum.
func (e *entry) encode() []byte {
	size := 64
	for i := range e.items {
		size += len(e.items[i].data) + 6
	}
	b := make([]byte, 0, size)
	b = append(b, entryVersion, e.flags)
	b = binary.AppendUvarint(b, e.revision)
	b = binary.AppendUvarint(b, e.floor)
	b = binary.AppendUvarint(b, e.total)
	b = binary.AppendUvarint(b, e.floorTotal)
	b = append(b, e.before[:]...)
	b = binary.AppendUvarint(b, uint64(len(e.items)))
	for i := range e.items {
		b = append(b, e.items[i].op)
		b = binary.AppendUvarint(b, uint64(len(e.items[i].data)))
		b = append(b, e.items[i].data...)
	}
	e.sum = sumOf(b)
	return append(b, e.sum[:]...)
}

var (
	errEntryCut      = errors.New("it is cut short")
	errEntryChecksum = errors.New("it does not match its checksum")
	errEntryNewer    = errors.New("it was written by a newer release")
)

// decodeEntry is the inverse of encode. Items are parts of b.
func decodeEntry(b []byte) (*entry, error) {
	end := len(b) - len(checksum{})
	if end < 2 {
		return nil, errEntryCut
	}
	if b[0] > entryVersion {
		return nil, errEntryNewer
	}
	e := &entry{sum: sumOf(b[:end])}
	if e.sum != checksum(b[end:]) {
		return nil, errEntryChecksum
	}
	if n, err := e.parse(b[:end]); err != nil || n != end {
		return nil, errEntryCut
	}
	if e.flags >= flagsKnown {
		return nil, errEntryNewer
	}
	return e, nil
}

// parse reads what stands before the checksum, and returns where that is. On an
// error e has the items that came before it.
func (e *entry) parse(b []byte) (end int, err error) {
	if len(b) < 2 || b[0] != entryVersion {
		return 0, errEntryCut
	}
	e.flags = b[1]
	r := fields.Reader{Rest: b[2:]}
	e.revision, e.floor, e.total, e.floorTotal = r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
	copy(e.before[:], r.Bytes(len(e.before)))
	n := r.Uvarint()
	if r.Err != nil || n > uint64(len(r.Rest))/2 {
		return 0, errEntryCut
	}
	e.items = make([]item, 0, min(n, maxItems))
	for range n {
		op, data := r.Byte(), r.Bytes(r.Length())
		if r.Err != nil {
			return 0, errEntryCut
		}
		e.items = append(e.items, item{op, data})
	}
	return len(b) - len(r.Rest), nil
}

// deletion names the definition that goes.
type deletion struct {
	tag  byte
	id   uint64
	name fullName
}

func (d *deletion) encode() []byte {
	b := binary.AppendUvarint([]byte{d.tag}, d.id)
	for _, s := range []string{d.name.account, d.name.region, d.name.name} {
		b = fields.AppendText(b, s)
	}
	return b
}

func decodeDeletion(b []byte) (d deletion, err error) {
	r := fields.Reader{Rest: b}
	d.tag, d.id = r.Byte(), r.Uvarint()
	for _, s := range []*string{&d.name.account, &d.name.region, &d.name.name} {
		*s = r.Text()
	}
	if r.Err != nil || len(r.Rest) > 0 {
		return d, fmt.Errorf("registry: a deletion: %w", errEntryCut)
	}
	return d, nil
}
