package pattern

// bound is a branch whose paths are numbered.
type bound struct {
	fields []int
	conds  branch
}

func (p *paths) bind(b branch) bound {
	r := bound{conds: b}
	for _, c := range b {
		r.fields = append(r.fields, p.number(c.path))
	}
	return r
}

// matches reports whether the event satisfies all conditions with values that lie in
// the same elements of the arrays that they share. Conditions are tried in the order
// of their paths, which matters for exists:false only: a field is absent if it has
// no value in the elements chosen so far, as event-ruler has it.
func (b *bound) matches(e *event) bool { return b.from(e, 0, nil) }

func (b *bound) from(e *event, i int, chosen []int) bool {
	if i == len(b.fields) {
		return true
	}
	leaves := e.leaves[b.fields[i]]
	ops := b.conds[i].ops
	for j := range ops {
		if ops[j].code == opAbsent && e.absent(leaves, chosen) && b.from(e, i+1, chosen) {
			return true
		}
	}
	last := -2
	for k := range leaves {
		if e.work++; e.work > maxWork {
			return false
		}
		l := &leaves[k]
		if l.element == last || !e.consistent(l.element, chosen) || !e.anyMatches(ops, &l.value) {
			continue
		}
		last = l.element // others in the same element lead to the same
		next := chosen
		if l.element >= 0 {
			next = append(chosen[:len(chosen):len(chosen)], l.element)
		}
		if b.from(e, i+1, next) {
			return true
		}
	}
	return false
}

// anyMatches reports whether a value satisfies one of the operators. It does not once
// the work is too much.
func (e *event) anyMatches(ops []operator, v *value) bool {
	e.work += len(ops) >> 3
	for i := range ops {
		if e.work += ops[i].cost(v); e.work > maxWork {
			return false
		}
		if ops[i].matches(v) {
			return true
		}
	}
	return false
}

// absent reports whether a field has no value in the chosen elements. It does not
// once the work is too much.
func (e *event) absent(leaves []leaf, chosen []int) bool {
	for k := range leaves {
		if e.work++; e.work > maxWork || e.consistent(leaves[k].element, chosen) {
			return false
		}
	}
	return true
}

// consistent reports whether a place shares every array with the chosen ones in the
// same element.
func (e *event) consistent(at int, chosen []int) bool {
	for ; at >= 0; at = e.elements[at].parent {
		for _, c := range chosen {
			for ; c >= 0; c = e.elements[c].parent {
				e.work++
				if e.elements[c].array == e.elements[at].array && e.elements[c].index != e.elements[at].index {
					return false
				}
			}
		}
	}
	return true
}

// Match reports whether a JSON object matches. The error is ErrEvent or ErrWork.
func (p *Pattern) Match(json []byte) (bool, error) {
	e := newEvent(p.paths.n)
	defer e.free()
	if err := e.read(p.paths, json); err != nil {
		return false, err
	}
	return p.match(e)
}

func (p *Pattern) match(e *event) (bool, error) {
	for i := range p.bound {
		if p.bound[i].matches(e) {
			return true, nil
		}
	}
	if e.work > maxWork {
		return false, ErrWork
	}
	return false, nil
}
