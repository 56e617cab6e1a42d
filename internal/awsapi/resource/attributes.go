package resource

import "github.com/waystation/waystation/internal/awsapi/protocol"

// Attribute is one attribute of a resource R: how it is set, shown and documented.
// Live is what is not part of the definition and costs something to learn, such as
// the number of messages in a queue.
type Attribute[R, Live any] struct {
	Name string
	// Set checks value and puts it into r; nil: the attribute cannot be set. What
	// needs more than r and value is for the caller to check after Apply.
	Set func(r *R, value string) error
	// Show gives the value; ok is false when the resource has none.
	Show func(r *R) (value string, ok bool)
	// ShowLive is Show for attributes that need Live.
	ShowLive func(r *R, live *Live) (value string, ok bool)
	// Same, if set, reports whether two values mean the same; else they are compared
	// as they are shown.
	Same   func(a, b string) bool
	Status protocol.Status
	Note   string // for docs/compatibility.md
}

// Attributes is the table of a resource's attributes, in the order in which they
// are set and documented. Not changed after it was made.
type Attributes[R, Live any] struct {
	list   []Attribute[R, Live]
	byName map[string]*Attribute[R, Live]
}

// NewAttributes makes the table.
func NewAttributes[R, Live any](list ...Attribute[R, Live]) *Attributes[R, Live] {
	t := &Attributes[R, Live]{list: list, byName: make(map[string]*Attribute[R, Live], len(list))}
	for i := range list {
		t.byName[list[i].Name] = &list[i]
	}
	return t
}

// Unknown is an attribute that the resource does not have, or that cannot be set.
type Unknown struct{ Name string }

// Error says so in words of no API.
func (u *Unknown) Error() string { return "there is no attribute " + u.Name + " to set" }

// Apply sets the attributes given, each checked by itself, in the table's order. r is
// left in an undefined state when an error is returned: *Unknown, or what Set says.
// Of several that are unknown it names the first by name, so that the same request is
// always answered in the same way.
func (t *Attributes[R, Live]) Apply(r *R, given map[string]string) error {
	unknown, found := "", false
	for name := range given {
		if t.byName[name] == nil && (!found || name < unknown) {
			unknown, found = name, true
		}
	}
	if found {
		return &Unknown{unknown}
	}
	for i := range t.list {
		a := &t.list[i]
		v, ok := given[a.Name]
		switch {
		case !ok:
		case a.Set == nil:
			return &Unknown{a.Name}
		default:
			if err := a.Set(r, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// All asks Show for every attribute.
const All = "All"

// Show gives the values of the attributes wanted, of all with All. live is asked
// once, and only if an attribute needs it. Errors: *Unknown, or what live says.
func (t *Attributes[R, Live]) Show(r *R, wanted []string, live func() (*Live, error)) (map[string]string, error) {
	all := false
	names := make(map[string]bool, len(wanted))
	for _, name := range wanted {
		if name != All && t.byName[name] == nil {
			return nil, &Unknown{name}
		}
		all = all || name == All
		names[name] = true
	}
	var known *Live
	out := make(map[string]string, len(t.list))
	for i := range t.list {
		a := &t.list[i]
		if !all && !names[a.Name] {
			continue
		}
		var v string
		var ok bool
		switch {
		case a.ShowLive == nil:
			v, ok = a.Show(r)
		default:
			if known == nil {
				var err error
				if known, err = live(); err != nil {
					return nil, err
				}
			}
			v, ok = a.ShowLive(r, known)
		}
		if ok {
			out[a.Name] = v
		}
	}
	return out, nil
}

// Differ names the first of the attributes given in which two resources differ.
func (t *Attributes[R, Live]) Differ(a, b *R, given map[string]string) (name string, differ bool) {
	for i := range t.list {
		at := &t.list[i]
		if _, ok := given[at.Name]; !ok || at.Set == nil {
			continue
		}
		x, _ := at.Show(a)
		y, _ := at.Show(b)
		if x != y && (at.Same == nil || !at.Same(x, y)) {
			return at.Name, true
		}
	}
	return "", false
}

// Rows are the table in docs/compatibility.md.
func (t *Attributes[R, Live]) Rows() []protocol.Row {
	rows := make([]protocol.Row, len(t.list))
	for i, a := range t.list {
		rows[i] = protocol.Row{Name: a.Name, Status: a.Status, Note: a.Note}
	}
	return rows
}
