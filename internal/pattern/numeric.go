package pattern

const tooManyElements = "Too many elements in numeric expression"

// numeric reads {"numeric": [">", 1, "<=", 5]} and its shorter forms.
func (g *grammar) numeric() operator {
	if g.advance().kind != tokArray {
		g.fail("Value of numeric must be an array.")
	}
	if t := g.advance(); t.kind != tokString {
		g.failRead("Invalid member in numeric match: %s", t.text)
	}
	op := g.cur().text
	o := operator{code: opRange, lo: -maxMicros, hi: maxMicros, number: true}
	g.advance()
	switch op {
	case "=":
		o.lo = g.bound("equals")
		o.hi = o.lo
	case ">", ">=":
		o.lo = g.bound(op)
		if g.tokens[g.i+1].kind != tokArrayEnd {
			g.top(&o, op)
		} else if op == ">" {
			o.lo++
		}
	case "<", "<=":
		o.hi = g.bound(op)
		if op == "<" {
			o.hi--
		}
	default:
		g.fail("Unrecognized numeric range operator: %s", op)
	}
	if g.cur().kind != tokArrayEnd && g.advance().kind != tokArrayEnd {
		g.fail(tooManyElements)
	}
	g.close(tooManyElements)
	return o
}

// bound reads the number after a comparison; the token in hand should be it.
func (g *grammar) bound(op string) int64 {
	t := g.cur()
	if t.kind != tokNumber {
		g.fail("Value of %s must be numeric", op)
	}
	return g.comparable(t.text)
}

func (g *grammar) comparable(text string) int64 {
	v, ok := micros([]byte(text))
	if !ok {
		g.fail("Value must be between -5.0E9 and 5.0E9, inclusive")
	}
	return v
}

// top reads the second comparison of a range, to its closing bracket.
func (g *grammar) top(o *operator, first string) {
	if t := g.advance(); t.kind != tokString {
		g.failRead("Bad value in numeric range: %s", t.text)
	}
	op := g.cur().text
	if op != "<" && op != "<=" {
		g.failRead("Bad numeric range operator: %s", op)
	}
	g.advance()
	o.hi = g.bound(op)
	if g.advance().kind != tokArrayEnd {
		g.fail("Too many terms in numeric range expression")
	}
	if o.lo >= o.hi {
		g.fail("Bottom must be less than top")
	}
	if first == ">" {
		o.lo++
	}
	if op == "<" {
		o.hi--
	}
}
