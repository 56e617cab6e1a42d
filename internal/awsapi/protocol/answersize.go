package protocol

import (
	"context"
	"reflect"
)

// Answers are paid from the budget for bodies too, before they are made: a client that
// does not read them would otherwise have as many in memory as it has connections.

// answerShare is the part of the budget that one answer is paid with at most: a larger
// one has to be given as well.
const answerShare = 4

// payAnswer takes room for n bytes of answer in all, or refuses.
func (x *exchange) payAnswer(n int64) *Error {
	if x.lease.budget == nil {
		return nil
	}
	n = min(n, x.lease.budget.limit/answerShare)
	if n <= x.paid {
		return nil
	}
	if !x.lease.takeAnswer(x.http.Context(), n-x.paid) {
		return overloaded()
	}
	x.paid = n
	return nil
}

// takeAnswer is take for an answer. What it is made of is in memory while it waits, so
// of all answers together no more may wait than half of the budget, of one caller's a
// quarter.
func (l *lease) takeAnswer(ctx context.Context, n int64) bool {
	b := l.budget
	b.mu.Lock()
	l.join()
	p := l.peer
	fits := b.fits(l, n)
	switch {
	case fits:
		l.charge(n)
	case b.awaited+n <= b.limit/2 && p.awaited+n <= b.limit/4:
		b.awaited += n
		p.awaited += n
	default:
		b.mu.Unlock()
		return false
	}
	b.mu.Unlock()
	if fits {
		return true
	}
	ok := l.take(ctx, n)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited -= n
	p.awaited -= n
	return ok
}

// makeRoom gets a buffer that the answer will probably fit.
func (x *exchange) makeRoom() *Error {
	n := int64(x.op.output.size(x.out))
	if n <= firstBuffer {
		return nil
	}
	class, n := classOf(n)
	if err := x.payAnswer(n); err != nil {
		return err
	}
	if x.buf != nil {
		putBuffer(x.buf)
	}
	x.buf = newBuffer(class, n)
	return nil
}

// payRest pays what the answer has become larger than was thought.
func (x *exchange) payRest() *Error {
	n := int64(cap(x.answer.body))
	if n <= firstBuffer {
		return nil
	}
	err := x.payAnswer(n)
	if err != nil {
		x.answer.body = nil
	}
	return err
}

// size is about how many bytes v takes in an answer, of whatever protocol: exact for
// long texts in which nothing is escaped.
func (p *plan) size(v reflect.Value) (n int) {
	const scalar = 24
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return 0
		}
		return p.elem.size(v.Elem())
	case kindString, kindDocument:
		return v.Len() + 2
	case kindBytes:
		return v.Len()*4/3 + 4
	case kindStruct:
		for i := range p.fields {
			f := &p.fields[i]
			if s := f.plan.size(v.Field(f.index)); s > 0 {
				n += s + len(f.name) + 4
			}
		}
		return n
	case kindList:
		for i := range v.Len() {
			n += 2*scalar + p.elem.size(v.Index(i))
		}
		return n
	case kindMap:
		for each := v.MapRange(); each.Next(); {
			n += 2*scalar + each.Key().Len() + p.elem.size(each.Value())
		}
		return n
	}
	return scalar
}
