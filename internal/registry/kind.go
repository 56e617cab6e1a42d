package registry

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Meta is what all definitions have. A kind's struct embeds it. Its fields are
// encoded under the numbers 1 to 9; those of a kind begin at 10. A number is never
// used again for something else.
type Meta struct {
	// ID tells incarnations apart: what was deleted and created again under its
	// old name has another ID. Random, never 0.
	ID uint64 `cbor:"1,keyasint"`

	Account string `cbor:"2,keyasint"`
	Region  string `cbor:"3,keyasint"`
	Name    string `cbor:"4,keyasint"` // with slashes between its parts, if it has several

	Created  int64 `cbor:"5,keyasint"` // Unix seconds
	Modified int64 `cbor:"6,keyasint"` // Unix seconds

	// Revision of the stored definition: that of the registry when it was
	// written. Set by the registry.
	Revision uint64 `cbor:"-"`
}

func (m *Meta) fullName() fullName { return fullName{m.Account, m.Region, m.Name} }

// Tags of the kinds in the log and in encoded definitions. A tag is never used
// again for something else.
const (
	tagQueue          byte = 1
	tagSecret         byte = 2
	tagTopic          byte = 3
	tagSubscription   byte = 4
	tagSigningKey     byte = 5
	tagBus            byte = 6
	tagRule           byte = 7
	tagArchive        byte = 8
	tagReplay         byte = 9
	tagConnection     byte = 10
	tagAPIDestination byte = 11
	tagScheduleGroup  byte = 12

	tagEndpointHealth byte = 20
)

// Kind describes one kind of definition. To add a kind: a struct that embeds Meta
// and whose fields have numbers from 10 on, a Kind that describes it, Add before
// Run. All else (storage, memory, compare-and-set, paging, listeners, damage and
// its repair) is the same for all kinds. Nodes that do not know a kind keep its
// definitions as they are.
type Kind[T any] struct {
	Tag  byte   // 1 to 255
	Name string // for messages
	// Version of the encoded form: raised when releases before must not read it.
	// Fields that they may pass over do not raise it: those are kept, also through
	// changes that older nodes make. Older versions stay readable.
	Version byte
	// Limit bounds the definitions of this kind, of all accounts together. 0: none.
	// Nodes that create at the same instant may overshoot it by a few.
	Limit int

	Meta  func(*T) *Meta // required
	Clone func(*T) *T    // required; deep

	// What follows may be nil.

	// Keep puts back what a change must not alter, beside Meta.
	Keep func(now, old *T)
	// Aside puts back what may change without Modified being set.
	Aside func(now, old *T)
	// Share replaces strings by equal ones of a neighbour, to save memory.
	Share func(def, near *T)
	// Partition is where the definition is placed; definitions are counted by it.
	Partition func(*T) uint32
	// Place chooses the partition of a new one and stores it. It may read the
	// registry but not change it. One call at a time, so that each can go by the
	// counts that the one before left.
	Place func(*T)
	// Indexes give strings by which definitions are found, "" not to be; see
	// Table.By.
	Indexes []func(*T) string
}

// share makes *s the same string as near, if they are equal.
func share(s *string, near string) {
	if *s == near {
		*s = near
	}
}

// secret is random bytes that all nodes share.
type secret struct {
	Meta
	Value []byte `cbor:"10,keyasint"`
}

var secrets = Kind[secret]{
	Tag: tagSecret, Name: "secret", Version: 1,
	Meta:  func(s *secret) *Meta { return &s.Meta },
	Clone: func(s *secret) *secret { c := *s; c.Value = slices.Clone(s.Value); return &c },
}

// extra are encoded fields that this release does not know.
type extra map[uint64]cbor.RawMessage

var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	// decStrict ends at the first field that T does not have.
	decStrict = must(cbor.DecOptions{ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode())
	decMode   = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // wrong options, seen by the first test
	}
	return v
}

// body encodes a definition without its revision. The same definition gives the
// same bytes.
func (k *Kind[T]) body(def *T, more extra) ([]byte, error) {
	b, err := encMode.Marshal(def)
	if err != nil || len(more) == 0 {
		return b, err
	}
	fields := make(extra)
	if err := decMode.Unmarshal(b, &fields); err != nil {
		return nil, err
	}
	for n, v := range more {
		fields[n] = v
	}
	return encMode.Marshal(fields)
}

// encode renders a definition with its revision.
func (k *Kind[T]) encode(def *T, more extra) ([]byte, error) {
	b, err := k.body(def, more)
	if err != nil {
		return nil, fmt.Errorf("registry: encode %s %s: %w", k.Name, k.Meta(def).Name, err)
	}
	return sealed{k.Tag, k.Version, k.Meta(def).Revision, b}.append(nil), nil
}

// decode reads a definition of this kind, and the fields that this release does
// not know.
func (k *Kind[T]) decode(s sealed) (*T, extra, error) {
	if s.version > k.Version || s.version == 0 {
		return nil, nil, &VersionError{What: "a definition of a " + k.Name, Version: int(s.version), Known: int(k.Version)}
	}
	def := new(T)
	var more extra
	err := decStrict.Unmarshal(s.body, def)
	if unknown := (*cbor.UnknownFieldError)(nil); errors.As(err, &unknown) {
		def = new(T)
		if err = decMode.Unmarshal(s.body, def); err == nil {
			more, err = k.unknown(s.body)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("registry: decode a %s: %w", k.Name, err)
	}
	m := k.Meta(def)
	if m.ID == 0 || !m.fullName().valid() {
		return nil, nil, fmt.Errorf("registry: decode a %s: without an ID or a valid name", k.Name)
	}
	m.Revision = s.revision
	return def, more, nil
}

// unknown picks the fields of body that T does not have.
func (k *Kind[T]) unknown(body []byte) (extra, error) {
	fields := make(extra)
	if err := decMode.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	for _, n := range numbers(reflect.TypeFor[T]()) {
		delete(fields, n)
	}
	return fields, nil
}

// numbers under which the fields of t are encoded.
func numbers(t reflect.Type) (list []uint64) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("cbor"), ",")
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			list = append(list, n)
		} else if f.Anonymous {
			list = append(list, numbers(f.Type)...)
		}
	}
	return list
}

// check reports what is wrong with the description of a kind.
func (k *Kind[T]) check() error {
	switch {
	case k.Tag == 0 || k.Name == "" || k.Version == 0 || k.Meta == nil || k.Clone == nil:
		return fmt.Errorf("registry: kind %q: Tag, Name, Version, Meta and Clone are required", k.Name)
	case (k.Place == nil) != (k.Partition == nil):
		return fmt.Errorf("registry: kind %q: Place and Partition belong together", k.Name)
	}
	list := numbers(reflect.TypeFor[T]())
	slices.Sort(list)
	if n := slices.IndexFunc(list, func(n uint64) bool { return n > 9 }); n >= 0 && n != len(numbers(reflect.TypeFor[Meta]())) ||
		len(slices.Compact(slices.Clone(list))) != len(list) {
		return fmt.Errorf("registry: kind %q: fields need numbers of their own, from 10 on: have %v", k.Name, list)
	}
	return nil
}
