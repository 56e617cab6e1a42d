package pattern

// anythingBut reads {"anything-but": …} with a value, a list, or an operator over
// one of both.
func (g *grammar) anythingBut() operator {
	o := operator{code: opNotString}
	t := g.advance()
	nested := t.kind == tokObject
	if nested {
		if g.advance().kind != tokName {
			g.fail("Anything-But expression name not found")
		}
		switch name := g.cur().text; name {
		case "equals-ignore-case":
			o.code = opNotFold
		case "prefix":
			o.code = opNotPrefix
		case "suffix":
			o.code = opNotSuffix
		case "wildcard":
			o.code = opNotWildcard
		default:
			g.fail("Unsupported anything-but pattern: %s", name)
		}
		t = g.advance()
	}
	switch t.kind {
	case tokString, tokNumber:
		g.except(&o)
	case tokArray:
		for g.advance().kind != tokArrayEnd {
			g.except(&o)
		}
		if !nested && (len(o.nums) > 0) == (len(o.list) > 0) {
			g.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
		}
	default:
		g.fail("Value of anything-but must be an array or single string/number value.")
	}
	if len(o.nums) > 0 {
		o.code = opNotNumber
	}
	g.close(tooManyElements)
	if nested {
		g.close(tooManyElements)
	}
	return o
}

// except adds the value in hand to those that do not match.
func (g *grammar) except(o *operator) {
	t := g.cur()
	switch {
	case t.kind == tokNumber && o.code == opNotString:
		o.nums = append(o.nums, g.comparable(t.text))
		return
	case t.kind != tokString:
		g.fail("%s", map[opcode]string{
			opNotString:   "Inside anything but list, start|null|boolean is not supported.",
			opNotFold:     "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
			opNotWildcard: "wildcard match pattern must be a string",
			opNotPrefix:   "prefix/suffix match pattern must be a string",
			opNotSuffix:   "prefix/suffix match pattern must be a string",
		}[o.code])
	case t.text == "" && (o.code == opNotPrefix || o.code == opNotSuffix):
		g.failRead("Null prefix/suffix not allowed")
	}
	text := t.text
	switch o.code {
	case opNotFold:
		text = fold(text)
	case opNotWildcard:
		o.globs = append(o.globs, g.glob(text))
	}
	o.list = append(o.list, text)
}
