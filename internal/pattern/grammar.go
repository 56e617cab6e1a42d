package pattern

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// grammar reads operators from tokens. Its messages are those of the services, word
// for word, odd ones included ("prefix match pattern" for a cidr).
type grammar struct {
	src    []byte
	tokens []token
	i      int // of the token in hand
}

// invalid is thrown inside of a compilation and caught by Compile.
type invalid struct {
	reason string
	bare   bool
}

func (g *grammar) cur() *token { return &g.tokens[g.i] }

func (g *grammar) advance() *token {
	if g.i < len(g.tokens)-1 {
		g.i++
	}
	return g.cur()
}

// fail reports a mistake at the token in hand.
func (g *grammar) fail(format string, args ...any) {
	g.failAt(g.cur().at, format, args...)
}

// failRead reports a mistake at a token whose text has been looked at.
func (g *grammar) failRead(format string, args ...any) {
	at := g.cur().at
	if g.cur().kind == tokString {
		at = g.cur().end
	}
	g.failAt(at, format, args...)
}

func (g *grammar) failAt(at int, format string, args ...any) {
	panic(invalid{reason: fmt.Sprintf(format, args...) + place(g.src, at)})
}

const onlyOneKey = "Only one key allowed in match expression"

func (g *grammar) close(message string) {
	if g.advance().kind != tokObjectEnd {
		g.fail("%s", message)
	}
}

// alternatives reads the array of a field; the token in hand is its bracket.
func (g *grammar) alternatives() []operator {
	var ops []operator
	for g.advance().kind != tokArrayEnd {
		start := g.start()
		t := g.cur()
		switch t.kind {
		case tokObject:
			ops = append(ops, g.expression())
		case tokString:
			ops = append(ops, exactString(t.text))
		case tokNumber:
			ops = append(ops, exactNumber(t.text))
		case tokTrue, tokFalse, tokNull:
			ops = append(ops, operator{code: opLiteral, text: t.text})
		default:
			g.fail("Match value must be String, number, true, false, or null")
		}
		ops[len(ops)-1].show = string(g.src[start:g.cur().end])
	}
	if len(ops) == 0 {
		g.fail("Empty arrays are not allowed")
	}
	return ops
}

// start gives where the token in hand begins.
func (g *grammar) start() int {
	t := g.cur()
	switch t.kind {
	case tokObject, tokArray, tokString:
		return t.at - 1
	}
	return t.end - len(t.text)
}

// exactString matches an address in all its spellings.
func exactString(s string) operator {
	if a, ok := address(s); ok {
		return operator{code: opCIDR, text: s, from: a, to: a}
	}
	return operator{code: opString, text: s}
}

func exactNumber(text string) operator {
	v, ok := micros([]byte(text))
	return operator{code: opNumber, text: text, lo: v, hi: v, number: ok}
}

// expression reads {"operator": operand}; the token in hand is its brace.
func (g *grammar) expression() operator {
	if g.advance().kind != tokName {
		g.fail("Match expression name not found")
	}
	name := g.cur().text
	switch name {
	case "exactly":
		o := exactString(g.text("exact"))
		g.close(onlyOneKey)
		return operator{code: opString, text: o.text}
	case "prefix":
		return g.affix("prefix", opPrefix, opPrefixFold)
	case "suffix":
		return g.affix("suffix", opSuffix, opSuffixFold)
	case "equals-ignore-case":
		o := operator{code: opFold, text: fold(g.text(name))}
		g.close(onlyOneKey)
		return o
	case "wildcard":
		o := operator{code: opWildcard, globs: []glob{g.glob(g.text(name))}}
		g.close(onlyOneKey)
		return o
	case "cidr":
		o := g.cidr(g.text("prefix"))
		g.close(onlyOneKey)
		return o
	case "exists":
		return g.exists()
	case "numeric":
		return g.numeric()
	case "anything-but":
		return g.anythingBut()
	}
	g.fail("Unrecognized match type %s", name)
	return operator{}
}

// text reads the operand, which must be a string.
func (g *grammar) text(operator string) string {
	if t := g.advance(); t.kind == tokString {
		return t.text
	}
	g.fail("%s match pattern must be a string", operator)
	return ""
}

func (g *grammar) glob(text string) glob {
	parsed, err := parseGlob(text)
	if err != nil {
		g.failRead("%s", err)
	}
	return parsed
}

func (g *grammar) affix(name string, plain, folded opcode) operator {
	if g.tokens[g.i+1].kind != tokObject {
		o := operator{code: plain, text: g.text(name)}
		g.close(onlyOneKey)
		return o
	}
	g.advance()
	title := strings.ToUpper(name[:1]) + name[1:]
	if g.advance().kind != tokName {
		g.fail("%s expression name not found", title)
	}
	if g.cur().text != "equals-ignore-case" {
		g.fail("Unsupported %s pattern: %s", name, g.cur().text)
	}
	o := operator{code: folded, text: fold(g.text("equals-ignore-case"))}
	g.close(onlyOneKey)
	g.close(onlyOneKey)
	return o
}

func (g *grammar) exists() operator {
	o := operator{code: opExists}
	switch g.advance().kind {
	case tokTrue:
	case tokFalse:
		o.code = opAbsent
	default:
		g.fail("exists match pattern must be either true or false.")
	}
	g.close(onlyOneKey)
	return o
}

// cidr reads a block. Bits of the address behind the mask say nothing, as in event-ruler.
func (g *grammar) cidr(text string) operator {
	ip, mask, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(mask, "/") {
		g.failRead("Malformed CIDR, one '/' required")
	}
	bits, err := strconv.Atoi(mask)
	if err != nil {
		g.failRead("Malformed CIDR, mask bits must be an integer")
	}
	if bits < 0 {
		g.failRead("Malformed CIDR, mask bits must not be negative")
	}
	a, ok := address(ip)
	if !ok {
		g.failRead("Nonstandard IP address: %s", ip)
	}
	if bits >= a.BitLen() {
		version := 4
		if a.Is6() {
			version = 6
		}
		g.failRead("IPv%d mask bits must be < %d", version, a.BitLen())
	}
	block, _ := a.Prefix(bits) // bits were checked
	top := a.AsSlice()
	for i := bits; i < a.BitLen(); i++ {
		top[i/8] |= 0x80 >> (i % 8)
	}
	to, _ := netip.AddrFromSlice(top)
	return operator{code: opCIDR, text: text, from: block.Addr(), to: to}
}
