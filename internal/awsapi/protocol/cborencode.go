package protocol

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"time"
)

// appendCBOR appends v as CBOR, of definite lengths. Maps are written in the order
// of their keys. Of times see decodeCBOR.
func appendCBOR(b []byte, p *plan, v reflect.Value, millis bool) []byte {
	switch p.kind {
	case kindString:
		return appendCBORString(b, v.String())
	case kindBool:
		if v.Bool() {
			return append(b, cborOther<<5|cborTrue)
		}
		return append(b, cborOther<<5|cborFalse)
	case kindInt:
		return appendCBORInt(b, v.Int())
	case kindFloat:
		return appendCBORFloat(b, v.Float(), p.bits)
	case kindTime:
		ms := v.Interface().(time.Time).UnixMilli()
		b = append(b, cborTag<<5|cborEpoch)
		switch {
		case millis:
			return appendCBORInt(b, ms)
		case ms%1000 == 0:
			return appendCBORInt(b, ms/1000)
		}
		return appendCBORFloat(b, float64(ms)/1000, 64)
	case kindBytes:
		b = appendCBORHead(b, cborBytes, uint64(v.Len()))
		return append(b, v.Bytes()...)
	case kindPointer:
		if !v.IsNil() {
			return appendCBOR(b, p.elem, v.Elem(), millis)
		}
	case kindStruct:
		b = appendCBORHead(b, cborMap, uint64(p.present(v)))
		return appendCBORMembers(b, p, v, millis)
	case kindList:
		b = appendCBORHead(b, cborArray, uint64(v.Len()))
		for i := range v.Len() {
			b = appendCBOR(b, p.elem, v.Index(i), millis)
		}
		return b
	case kindMap:
		b = appendCBORHead(b, cborMap, uint64(v.Len()))
		for _, k := range sortedKeys(v) {
			b = appendCBORString(b, k.String())
			b = appendCBOR(b, p.elem, v.MapIndex(k), millis)
		}
		return b
	}
	return append(b, cborOther<<5|cborNull) // of documents too, which CBOR cannot carry
}

// present counts the members of a struct that are written.
func (p *plan) present(v reflect.Value) (n int) {
	for i := range p.fields {
		if f := &p.fields[i]; !f.empty(v.Field(f.index)) {
			n++
		}
	}
	return n
}

func appendCBORMembers(b []byte, p *plan, v reflect.Value, millis bool) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		if m := v.Field(f.index); !f.empty(m) {
			b = appendCBORString(b, f.name)
			b = appendCBOR(b, f.plan, m, millis)
		}
	}
	return b
}

// appendCBORHead appends the head of an item, in its shortest form.
func appendCBORHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendCBORInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendCBORHead(b, cborNegative, uint64(-1-n))
	}
	return appendCBORHead(b, cborUint, uint64(n))
}

func appendCBORFloat(b []byte, f float64, bits int) []byte {
	if bits == 32 {
		return binary.BigEndian.AppendUint32(append(b, cborOther<<5|cborSingle), math.Float32bits(float32(f)))
	}
	return binary.BigEndian.AppendUint64(append(b, cborOther<<5|cborDouble), math.Float64bits(f))
}

// appendCBORString appends s as text. Bytes that are not UTF-8 become U+FFFD.
func appendCBORString(b []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\ufffd")
	b = appendCBORHead(b, cborText, uint64(len(s)))
	return append(b, s...)
}
