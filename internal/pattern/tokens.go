package pattern

// Kinds of tokens in patterns.
type kind byte

const (
	tokEnd kind = iota
	tokName
	tokObject
	tokObjectEnd
	tokArray
	tokArrayEnd
	tokString
	tokNumber
	tokTrue
	tokFalse
	tokNull
)

// token is one token of a pattern. at is where the services' parser stands once it
// has it, which is what their messages show: behind it, but for strings behind the
// opening quote (end is behind the closing one), and for names behind the first
// token of their value.
type token struct {
	kind kind
	text string
	at   int
	end  int
}

// tokenize reads a whole pattern. The grammar looks at the tokens afterwards, so an
// error of syntax is told before any other.
func tokenize(src []byte) (tokens []token, bad int, ok bool) {
	z := tokenizer{scanner: scanner{data: src}}
	if !z.value(0) || z.next() != 0 || z.pos < len(src) {
		return nil, z.pos, false
	}
	for i := len(z.tokens) - 2; i >= 0; i-- {
		if z.tokens[i].kind == tokName {
			z.tokens[i].at = z.tokens[i+1].at
		}
	}
	return append(z.tokens, token{at: len(src)}), 0, true
}

type tokenizer struct {
	scanner
	tokens []token
}

func (z *tokenizer) add(k kind, text string, at int) {
	z.tokens = append(z.tokens, token{k, text, at, z.pos})
}

func (z *tokenizer) value(depth int) bool {
	c := z.next()
	start := z.pos
	switch c {
	case '{', '[':
		return depth < maxDepth && z.nested(c, depth)
	case '"':
		raw, _, ok := z.str()
		if ok {
			z.add(tokString, string(unescape(nil, raw)), start+1)
		}
		return ok
	}
	var k kind
	var ok bool
	switch c {
	case 't':
		k, ok = tokTrue, z.literal("true")
	case 'f':
		k, ok = tokFalse, z.literal("false")
	case 'n':
		k, ok = tokNull, z.literal("null")
	default:
		k = tokNumber
		_, ok = z.number()
	}
	if ok {
		z.add(k, string(z.data[start:z.pos]), z.pos)
	}
	return ok
}

func (z *tokenizer) nested(open byte, depth int) bool {
	z.pos++
	k, end := tokObject, byte('}')
	if open == '[' {
		k, end = tokArray, ']'
	}
	z.add(k, string(open), z.pos)
	for first := true; ; first = false {
		if z.take(end) {
			break
		}
		if !first && !z.take(',') {
			return false
		}
		if open == '{' {
			if z.next() != '"' {
				return false
			}
			raw, _, ok := z.str()
			if !ok || !z.take(':') {
				return false
			}
			z.add(tokName, string(unescape(nil, raw)), z.pos)
		}
		if !z.value(depth + 1) {
			return false
		}
	}
	z.add(k+1, string(end), z.pos)
	return true
}
