package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"hash/crc32"
	"strings"
)

// mutant is one small change.
type mutant struct {
	number   int
	file     string // from the module's root
	line     int
	function string
	operator string
	text     string // of what is changed, on one line
	same     int    // how many like it come before in the function
	hash     uint32 // of the function's source

	unreached bool // no test runs through it
}

// key names a mutant for as long as the function around it stays.
func (m *mutant) key() string {
	return fmt.Sprintf("%s %s %s#%d: %s", m.file, m.function, m.operator, m.same, m.text)
}

// edit puts text around a piece of the source.
type edit struct {
	from, to       int // offsets
	before, behind string
}

// finder looks for mutants in one file.
type finder struct {
	fset   *token.FileSet
	info   *types.Info
	pkg    *types.Package
	source []byte
	name   string

	next     int // number of the next mutant
	function string
	hash     uint32   // of the function's source
	loops    []string // that surround this place: kind of each, innermost last
	found    []*mutant
	edits    []edit
	seen     map[string]int
}

func (f *finder) offset(p token.Pos) int { return f.fset.Position(p).Offset }
func (f *finder) textOf(n ast.Node) string {
	return string(f.source[f.offset(n.Pos()):f.offset(n.End())])
}
func (f *finder) typeOf(e ast.Expr) types.Type { return f.info.TypeOf(e) }

// add notes a mutant of n. %d in before and behind stands for its number.
func (f *finder) add(operator string, n ast.Node, before, behind string) {
	text := strings.Join(strings.Fields(f.textOf(n)), " ")
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	m := &mutant{
		number: f.next, file: f.name, line: f.fset.Position(n.Pos()).Line,
		function: f.function, operator: operator, text: text, hash: f.hash,
	}
	f.next++
	like := m.function + operator + text
	m.same = f.seen[like]
	f.seen[like]++
	f.found = append(f.found, m)
	number := fmt.Sprint(m.number)
	f.edits = append(f.edits, edit{
		from: f.offset(n.Pos()), to: f.offset(n.End()),
		before: strings.ReplaceAll(before, "%d", number), behind: strings.ReplaceAll(behind, "%d", number),
	})
}

// file looks through all functions.
func (f *finder) file(file *ast.File) {
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		f.function = fn.Name.Name
		if fn.Recv != nil {
			t := strings.TrimPrefix(f.textOf(fn.Recv.List[0].Type), "*")
			f.function = t + "." + fn.Name.Name
		}
		f.hash = crc32.ChecksumIEEE([]byte(f.textOf(fn)))
		f.loops = nil
		f.block(fn.Body.List)
	}
}

func (f *finder) block(list []ast.Stmt) {
	for _, s := range list {
		f.whole(s)
		f.statement(s)
	}
}

// whole makes mutants of a statement that stands in a list.
func (f *finder) whole(s ast.Stmt) {
	const skip, end = "if !mutantOn(%d) { ", " }"
	switch s := s.(type) {
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && f.droppable(call) {
			f.add("drop", s, skip, end)
		}
	case *ast.DeferStmt:
		if f.droppable(s.Call) {
			f.add("drop", s, skip, end)
		}
	case *ast.SendStmt:
		f.add("drop", s, skip, end)
	case *ast.IncDecStmt:
		other := map[token.Token]string{token.INC: "--", token.DEC: "++"}[s.Tok]
		f.add("plus", s, "if mutantOn(%d) { "+f.textOf(s.X)+other+" } else { ", end)
	case *ast.AssignStmt:
		switch s.Tok {
		case token.DEFINE:
		case token.ADD_ASSIGN, token.SUB_ASSIGN:
			if f.number(s.Lhs[0]) {
				other := map[token.Token]string{token.ADD_ASSIGN: " -= ", token.SUB_ASSIGN: " += "}[s.Tok]
				f.add("plus", s, "if mutantOn(%d) { "+f.textOf(s.Lhs[0])+other+f.textOf(s.Rhs[0])+" } else { ", end)
			}
			f.add("drop", s, skip, end)
		default:
			if f.textOf(s.Lhs[0]) != "_" {
				f.add("drop", s, skip, end)
			}
		}
	case *ast.BranchStmt:
		f.jump(s)
	case *ast.ReturnStmt:
		f.returned(s)
	default:
	}
}

// droppable reports whether leaving a call out says anything: without a lock the
// next unlock panics, without an unlock all hangs, nobody tests log lines, and a
// timer or context that is not stopped only costs memory for a while.
func (f *finder) droppable(call *ast.CallExpr) bool {
	name := ""
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		name = fn.Name
	case *ast.SelectorExpr:
		name = fn.Sel.Name
		if strings.HasSuffix(f.textOf(fn.X), "log") || strings.HasSuffix(f.textOf(fn.X), "Logger") {
			return false
		}
		if t := f.typeOf(fn.X); name == "Stop" && t != nil && strings.HasPrefix(t.String(), "*time.") {
			return false
		}
	}
	if t := f.typeOf(call.Fun); t != nil && t.String() == "context.CancelFunc" {
		return false
	}
	switch name {
	case "Lock", "Unlock", "RLock", "RUnlock", "panic":
		return false
	}
	return true
}

func (f *finder) jump(s *ast.BranchStmt) {
	if s.Label != nil || len(f.loops) == 0 {
		return
	}
	inLoop := false
	for _, l := range f.loops {
		inLoop = inLoop || l == "for" || l == "for ever"
	}
	switch s.Tok {
	case token.CONTINUE:
		if f.loops[len(f.loops)-1] == "for ever" {
			return // with a break it may be a function without a return at its end
		}
		f.add("jump", s, "if mutantOn(%d) { break }; ", "")
	case token.BREAK:
		if inLoop {
			f.add("jump", s, "if mutantOn(%d) { continue }; ", "")
		}
	}
}

func (f *finder) returned(s *ast.ReturnStmt) {
	if len(s.Results) == 0 {
		return
	}
	for _, r := range s.Results {
		b, binary := r.(*ast.BinaryExpr)
		if binary && (b.Op == token.EQL || b.Op == token.NEQ) {
			continue // it is one of the expression's own
		}
		if basic, ok := f.typeOf(r).(*types.Basic); ok && basic.Info()&types.IsBoolean != 0 {
			f.add("not", r, "((", ") != mutantOn(%d))")
		}
	}
	last := s.Results[len(s.Results)-1]
	named, ok := f.typeOf(last).(*types.Named)
	if !ok || named.Obj().Name() != "error" || named.Obj().Pkg() != nil {
		return
	}
	if len(s.Results) == 1 {
		f.add("err", s, "if mutantOn(%d) { _ = "+f.textOf(last)+"; return nil }; ", "")
		return
	}
	others := string(f.source[f.offset(s.Results[0].Pos()):f.offset(last.Pos())])
	f.add("err", s, "if mutantOn(%d) { return "+others+"nil }; ", "")
}

// statement looks into a statement.
func (f *finder) statement(s ast.Stmt) {
	inside := func(kind string, list []ast.Stmt) {
		f.loops = append(f.loops, kind)
		f.block(list)
		f.loops = f.loops[:len(f.loops)-1]
	}
	switch s := s.(type) {
	case nil:
	case *ast.BlockStmt:
		f.block(s.List)
	case *ast.LabeledStmt:
		f.statement(s.Stmt)
	case *ast.IfStmt:
		f.statement(s.Init)
		f.condition(s.Cond)
		f.block(s.Body.List)
		f.statement(s.Else)
	case *ast.ForStmt:
		f.statement(s.Init)
		f.expression(s.Cond)
		if s.Cond == nil {
			inside("for ever", s.Body.List)
		} else {
			inside("for", s.Body.List)
		}
	case *ast.RangeStmt:
		f.expression(s.X)
		inside("for", s.Body.List)
	case *ast.SwitchStmt:
		f.statement(s.Init)
		f.expression(s.Tag)
		for _, c := range s.Body.List {
			c := c.(*ast.CaseClause)
			for _, e := range c.List {
				if s.Tag == nil {
					f.condition(e)
				} else {
					f.expression(e)
				}
			}
			inside("switch", c.Body)
		}
	case *ast.TypeSwitchStmt:
		for _, c := range s.Body.List {
			inside("switch", c.(*ast.CaseClause).Body)
		}
	case *ast.SelectStmt:
		for _, c := range s.Body.List {
			inside("select", c.(*ast.CommClause).Body)
		}
	default:
		f.within(s)
	}
}

// condition makes mutants of a condition that stands alone.
func (f *finder) condition(e ast.Expr) {
	if b, ok := e.(*ast.BinaryExpr); !ok || b.Op != token.EQL && b.Op != token.NEQ {
		f.add("not", e, "((", ") != mutantOn(%d))")
	} // else it is one of the expression's own
	f.expression(e)
}

func (f *finder) expression(e ast.Expr) {
	if e != nil {
		f.within(e)
	}
}

// within makes mutants of the expressions in n.
func (f *finder) within(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			loops := f.loops
			f.loops = nil
			f.block(n.Body.List)
			f.loops = loops
			return false
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.CallExpr:
			id, ok := n.Fun.(*ast.Ident)
			if !ok || id.Name != "min" && id.Name != "max" {
				break
			}
			other := map[string]string{"min": "max", "max": "min"}[id.Name]
			if f.builtin(id.Name, n) && f.builtin(other, n) && f.plain(n) && f.number(n) {
				args := f.textOf(n)[len(id.Name):]
				f.add("minmax", n, "mutantPick(%d, "+other+args+", ", ")")
			}
		}
		return true
	})
}

func (f *finder) binary(n *ast.BinaryExpr) {
	if f.info.Types[n].Value != nil {
		return // a constant
	}
	x, y := f.textOf(n.X), f.textOf(n.Y)
	swap := map[token.Token]string{
		token.LAND: "||", token.LOR: "&&", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
		token.ADD: "-", token.SUB: "+", token.EQL: "!=", token.NEQ: "==",
	}[n.Op]
	var operator string
	switch n.Op {
	case token.LAND, token.LOR:
		operator = "and/or"
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		operator = "bound"
	case token.EQL, token.NEQ:
		f.add("not", n, "((", ") != mutantOn(%d))")
		return
	case token.ADD, token.SUB:
		if f.number(n) && f.plain(n) {
			f.add("plus", n, "mutantPick(%d, "+x+swap+y+", ", ")")
		}
		return
	default:
		return
	}
	if strings.Contains(x+y, "func(") {
		return
	}
	f.add(operator, n, "(mutantOn(%d) && ("+x+" "+swap+" "+y+") || !mutantOn(%d) && (", "))")
}

// builtin reports whether a name means Go's own function at n.
func (f *finder) builtin(name string, n ast.Node) bool {
	_, o := f.pkg.Scope().Innermost(n.Pos()).LookupParent(name, n.Pos())
	_, ok := o.(*types.Builtin)
	return ok
}

// number reports whether e is a number, and no constant.
func (f *finder) number(e ast.Expr) bool {
	t := f.typeOf(e)
	if t == nil || f.info.Types[e].Value != nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsNumeric != 0 && basic.Info()&types.IsUntyped == 0
}

// plain reports whether e may be evaluated twice: it calls nothing but len, cap,
// min, max and conversions.
func (f *finder) plain(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if tv := f.info.Types[n.Fun]; !tv.IsType() && !tv.IsBuiltin() {
				ok = false
			}
		case *ast.UnaryExpr:
			ok = ok && n.Op != token.ARROW
		case *ast.FuncLit:
			ok = false
		}
		return ok
	})
	return ok
}
