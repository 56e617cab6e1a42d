package protocol

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"github.com/x448/float16"
)

// cborSyntax checks that a body is well-formed (RFC 8949) before cborReader walks it.
// What its lists and maps may cost is the meter's to say.
var cborSyntax = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		MaxNestedLevels:  maxDepth,
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// Major types of CBOR, the upper three bits of a head.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborOther
)

// What follows a head of cborOther, and the tag of times.
const (
	cborFalse     = 20
	cborTrue      = 21
	cborNull      = 22
	cborUndefined = 23
	cborHalf      = 25
	cborSingle    = 26
	cborDouble    = 27
	cborBreak     = 0xff
	cborEpoch     = 1
	indefinite    = 31
)

// decodeCBOR is decodeJSON for CBOR. In times millis stand for milliseconds, as AWS's
// older protocol has them, instead of seconds.
func decodeCBOR(body []byte, p *plan, into reflect.Value, m *meter, millis bool) *Error {
	if len(body) == 0 {
		return nil
	}
	if err := cborSyntax.Wellformed(body); err != nil {
		return serialization("The request body is not valid CBOR: " + err.Error() + ".")
	}
	r := cborReader{data: body, meter: m, millis: millis}
	if h := r.peek(); h.major != cborMap {
		return serialization("The request body must be a CBOR map.")
	}
	return r.decode(p, into, "")
}

// cborReader walks a well-formed document.
type cborReader struct {
	data   []byte
	pos    int
	meter  *meter
	millis bool
}

// cborHead is what an item begins with.
type cborHead struct {
	major byte
	info  byte // the lower five bits
	arg   uint64
}

func (h cborHead) null() bool {
	return h.major == cborOther && (h.info == cborNull || h.info == cborUndefined)
}

// head consumes the head of the next item, passing over tags that say nothing to us.
func (r *cborReader) head() cborHead {
	for {
		h := r.rawHead()
		if h.major != cborTag || h.arg == cborEpoch {
			return h
		}
	}
}

func (r *cborReader) rawHead() cborHead {
	first := r.data[r.pos]
	h := cborHead{major: first >> 5, info: first & 31}
	r.pos++
	rest := r.data[r.pos:]
	switch h.info {
	case 24:
		h.arg, r.pos = uint64(rest[0]), r.pos+1
	case 25:
		h.arg, r.pos = uint64(binary.BigEndian.Uint16(rest)), r.pos+2
	case 26:
		h.arg, r.pos = uint64(binary.BigEndian.Uint32(rest)), r.pos+4
	case 27:
		h.arg, r.pos = binary.BigEndian.Uint64(rest), r.pos+8
	case indefinite:
	default:
		h.arg = uint64(h.info)
	}
	return h
}

// peek is head without consuming it.
func (r *cborReader) peek() cborHead {
	at := r.pos
	h := r.head()
	r.pos = at
	return h
}

// each calls item for every item of a list, or every key and value of a map, whose
// head was h.
func (r *cborReader) each(h cborHead, item func() *Error) *Error {
	for n := uint64(0); h.info == indefinite || n < h.arg; n++ {
		if h.info == indefinite && r.data[r.pos] == cborBreak {
			r.pos++
			return nil
		}
		if err := item(); err != nil {
			return err
		}
	}
	return nil
}

// text gives the bytes of a string whose head was h: a part of the buffer, or of
// their own if the string came in pieces.
func (r *cborReader) text(h cborHead) []byte {
	if h.info != indefinite {
		b := r.data[r.pos : r.pos+int(h.arg)]
		r.pos += int(h.arg)
		return b
	}
	var all []byte
	_ = r.each(h, func() *Error {
		all = append(all, r.text(r.rawHead())...)
		return nil
	})
	return all
}

// skip passes over the next item.
func (r *cborReader) skip() *Error {
	switch h := r.rawHead(); h.major {
	case cborBytes, cborText:
		if h.info == indefinite {
			return r.each(h, r.skip)
		}
		r.pos += int(h.arg)
	case cborArray:
		return r.each(h, r.skip)
	case cborMap:
		return r.each(h, func() *Error {
			_ = r.skip()
			return r.skip()
		})
	case cborTag:
		return r.skip()
	}
	return nil
}

// decode reads the next item into v; name is for error messages.
func (r *cborReader) decode(p *plan, v reflect.Value, name string) *Error {
	if r.peek().null() {
		r.head()
		v.SetZero()
		return nil
	}
	switch p.kind {
	case kindPointer:
		if err := r.meter.take(p.elem.typ.Size()); err != nil {
			return err
		}
		e := reflect.New(p.elem.typ)
		if err := r.decode(p.elem, e.Elem(), name); err != nil {
			return err
		}
		v.Set(e)
		return nil
	case kindDocument:
		return serialization(name + ": documents cannot be sent as CBOR")
	}
	h := r.head()
	switch p.kind {
	case kindString:
		text, err := r.string(h, name)
		if err != nil {
			return err
		}
		v.SetString(text)
		return nil
	case kindBytes:
		if h.major == cborBytes {
			v.SetBytes(bytes.Clone(r.text(h)))
			if v.IsNil() {
				v.SetBytes([]byte{})
			}
			return nil
		}
	case kindBool:
		if h.major == cborOther && (h.info == cborFalse || h.info == cborTrue) {
			v.SetBool(h.info == cborTrue)
			return nil
		}
	case kindInt:
		if h.major == cborUint || h.major == cborNegative {
			n, ok := h.int()
			if !ok || v.OverflowInt(n) {
				return serialization(name + ": the number is out of range")
			}
			v.SetInt(n)
			return nil
		}
	case kindFloat:
		if f, ok := h.float(); ok {
			v.SetFloat(f)
			return nil
		}
	case kindTime:
		if h.major == cborTag {
			return r.decodeTime(v, name)
		}
	case kindStruct:
		if h.major == cborMap {
			v.SetZero()
			return r.decodeStruct(h, p, v, name)
		}
	case kindMap:
		if h.major == cborMap {
			return r.decodeMap(h, p, v, name)
		}
	case kindList:
		if h.major == cborArray {
			return r.decodeList(h, p, v, name)
		}
	}
	return serialization(name + ": " + h.String() + " can not be converted to " + p.kind.String())
}

func (r *cborReader) string(h cborHead, name string) (string, *Error) {
	if h.major != cborText {
		return "", serialization(name + ": " + h.String() + " can not be converted to a String")
	}
	raw := r.text(h)
	if !utf8.Valid(raw) {
		return "", serialization("The request body is not valid UTF-8.")
	}
	return string(raw), nil
}

// decodeTime reads what follows the tag of times.
func (r *cborReader) decodeTime(v reflect.Value, name string) *Error {
	h := r.head()
	f, ok := h.float()
	var t time.Time
	if ok && r.millis {
		f /= 1000
	}
	if ok {
		t, ok = epochTime(f)
	}
	if !ok {
		return serialization(name + ": is not a time, or out of range")
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func (r *cborReader) decodeStruct(h cborHead, p *plan, v reflect.Value, name string) *Error {
	set := 0
	err := r.each(h, func() *Error {
		kh := r.head()
		if kh.major != cborText {
			return serialization(name + ": has a member whose name is no string")
		}
		key := r.text(kh)
		i, ok := p.byName[string(key)]
		if !r.peek().null() && string(key) != "__type" {
			if set++; p.union && !ok {
				return serialization(name + ": is a union, which has no member " + clip(key))
			}
		}
		if !ok {
			return r.skip()
		}
		f := &p.fields[i]
		return r.decode(f.plan, v.Field(f.index), f.name)
	})
	if err == nil && p.union && set != 1 {
		return serialization(name + ": is a union: it must have exactly one member")
	}
	return err
}

func (r *cborReader) decodeMap(h cborHead, p *plan, v reflect.Value, name string) *Error {
	m := reflect.MakeMap(p.typ)
	elem := reflect.New(p.elem.typ).Elem()
	err := r.each(h, func() *Error {
		key, err := r.string(r.head(), name)
		if err != nil {
			return err
		}
		if err := r.element(p, name); err != nil {
			return err
		}
		elem.SetZero()
		if err := r.decode(p.elem, elem, name); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(p.typ.Key()), elem)
		return nil
	})
	v.Set(m)
	return err
}

func (r *cborReader) decodeList(h cborHead, p *plan, v reflect.Value, name string) *Error {
	v.Set(reflect.MakeSlice(p.typ, 0, 0))
	return r.each(h, func() *Error {
		if err := r.element(p, name); err != nil {
			return err
		}
		return r.decode(p.elem, extend(v), name)
	})
}

// element takes room for one more element of a list or a map, and refuses null
// where it cannot stand.
func (r *cborReader) element(p *plan, name string) *Error {
	if !p.elem.nullable() && r.peek().null() {
		return serialization(name + ": must not hold null")
	}
	return r.meter.take(p.elemSize())
}

// int gives the value of an integer, if it has room.
func (h cborHead) int() (int64, bool) {
	if h.arg > math.MaxInt64 {
		return 0, false
	}
	if h.major == cborNegative {
		return -1 - int64(h.arg), true
	}
	return int64(h.arg), true
}

// float gives the value of a number of any kind.
func (h cborHead) float() (float64, bool) {
	switch {
	case h.major == cborUint:
		return float64(h.arg), true
	case h.major == cborNegative:
		return -1 - float64(h.arg), true
	case h.major != cborOther:
	case h.info == cborHalf:
		return float64(float16.Frombits(uint16(h.arg)).Float32()), true
	case h.info == cborSingle:
		return float64(math.Float32frombits(uint32(h.arg))), true
	case h.info == cborDouble:
		return math.Float64frombits(h.arg), true
	}
	return 0, false
}

// String names the item for an error.
func (h cborHead) String() string {
	switch h.major {
	case cborUint, cborNegative:
		return "an integer"
	case cborBytes:
		return "a byte string"
	case cborText:
		return "a text string"
	case cborArray:
		return "an array"
	case cborMap:
		return "a map"
	case cborTag:
		return "a time"
	}
	if h.info >= cborHalf {
		return "a floating-point number"
	}
	return "a simple value"
}
