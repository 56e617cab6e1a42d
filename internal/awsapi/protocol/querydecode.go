package protocol

import (
	"encoding/base64"
	"reflect"
	"strconv"
)

func malformedInput(msg string) *Error {
	return &Error{Code: "MalformedInput", Message: msg}
}

// decodeForm fills a struct from the parameters whose names begin, at byte `at`,
// with the names of its members. Parameters that the struct does not have are
// ignored (Action, Version, those of presigned requests).
func decodeForm(f form, at, depth int, p *plan, into reflect.Value) *Error {
	if depth > maxDepth {
		return malformedInput("The request parameters are nested too deeply.")
	}
	return f.groups(at, func(part string, scalars, deeper form, next int) *Error {
		i, ok := p.byQuery[part]
		if !ok {
			return nil
		}
		fd := &p.fields[i]
		return decodeParameter(fd, fd.plan, scalars, deeper, next, depth, into.Field(fd.index))
	})
}

// decodeParameter fills v, of plan p, from a parameter's own values and what lies
// deeper. fd has the names of its parts.
func decodeParameter(fd *field, p *plan, scalars, deeper form, next, depth int, v reflect.Value) *Error {
	if depth > maxDepth {
		return malformedInput("The request parameters are nested too deeply.")
	}
	switch p.kind {
	case kindPointer:
		e := reflect.New(p.elem.typ)
		if err := decodeParameter(fd, p.elem, scalars, deeper, next, depth, e.Elem()); err != nil {
			return err
		}
		v.Set(e)
		return nil
	case kindStruct:
		if len(deeper) == 0 && len(scalars) > 0 && scalars[0].value != "" {
			return malformedInput("Parameter " + scalars[0].name + " is a structure.")
		}
		return decodeForm(deeper, next, depth+1, p, v)
	case kindList, kindMap:
		return decodeMany(fd, p, scalars, deeper, next, depth, v)
	}
	if len(scalars) == 0 {
		return malformedInput("Start of structure or map found where not expected: " + deeper[0].name + ".")
	}
	return decodeScalar(p, scalars[0], v)
}

// decodeMany fills a list or map: NAME.1…, or NAME.member.1… if it is not flat.
func decodeMany(fd *field, p *plan, scalars, deeper form, next, depth int, v reflect.Value) *Error {
	if p.kind == kindList {
		v.Set(reflect.MakeSlice(p.typ, 0, 0))
	} else {
		v.Set(reflect.MakeMap(p.typ))
	}
	// NAME=x is a list of one; NAME= is how SDKs write an empty list.
	if len(scalars) > 0 && scalars[0].value != "" {
		if p.kind != kindList || len(deeper) > 0 {
			return malformedInput("Parameter " + scalars[0].name + " is a list or map; number its entries.")
		}
		return appendElement(fd, p, scalars, nil, next, depth, v)
	}
	if fd.flat {
		return decodeEntries(fd, p, deeper, next, depth, v)
	}
	return deeper.groups(next, func(part string, _, entries form, next int) *Error {
		if part != fd.member {
			return malformedInput("Parameter " + fd.query + " has the part " + clip([]byte(part)) + " where " + fd.member + " is expected.")
		}
		return decodeEntries(fd, p, entries, next, depth, v)
	})
}

func decodeEntries(fd *field, p *plan, entries form, at, depth int, v reflect.Value) *Error {
	unnumbered := false
	err := entries.groups(at, func(part string, scalars, deeper form, next int) *Error {
		switch {
		case p.kind == kindMap && (part == fd.key || part == fd.value):
			unnumbered = true
			return nil
		case !isNumber(part):
			return malformedInput("Parameter " + fd.query + " has the part " + clip([]byte(part)) + " where a number is expected.")
		case p.kind == kindList:
			return appendElement(fd, p, scalars, deeper, next, depth, v)
		}
		return decodeEntry(fd, p, deeper, next, depth, v)
	})
	if err == nil && unnumbered {
		return decodeEntry(fd, p, entries, at, depth, v)
	}
	return err
}

// decodeEntry adds an entry to a map, from NAME.1.key=…&NAME.1.value=…, or from
// NAME.key=…&NAME.value=…, which AWS's own examples have for a single one.
func decodeEntry(fd *field, p *plan, parts form, at, depth int, v reflect.Value) *Error {
	key := reflect.New(p.typ.Key()).Elem()
	elem := reflect.New(p.elem.typ).Elem()
	err := parts.groups(at, func(part string, scalars, deeper form, next int) *Error {
		switch part {
		case fd.key:
			if len(scalars) == 0 {
				return malformedInput("Parameter " + deeper[0].name + " is not the key of a map.")
			}
			key.SetString(scalars[0].value)
		case fd.value:
			return decodeParameter(&field{query: fd.query, member: "member", key: "key", value: "value"},
				p.elem, scalars, deeper, next, depth+1, elem)
		}
		return nil
	})
	if err == nil {
		v.SetMapIndex(key, elem)
	}
	return err
}

func appendElement(fd *field, p *plan, scalars, deeper form, next, depth int, v reflect.Value) *Error {
	return decodeParameter(fd, p.elem, scalars, deeper, next, depth+1, extend(v))
}

func decodeScalar(p *plan, from parameter, v reflect.Value) *Error {
	bad := func(want string) *Error {
		return malformedInput("Value " + clip([]byte(from.value)) + " for parameter " + from.name + " is invalid. Reason: Must be " + want + ".")
	}
	switch p.kind {
	case kindString:
		v.SetString(from.value)
	case kindBool:
		switch from.value {
		case "true", "True", "TRUE", "1":
			v.SetBool(true)
		case "false", "False", "FALSE", "0":
			v.SetBool(false)
		default:
			return bad("true or false")
		}
	case kindInt:
		n, err := strconv.ParseInt(from.value, 10, p.bits)
		if err != nil {
			return bad("an integer")
		}
		v.SetInt(n)
	case kindFloat:
		n, ok := parseFloat(from.value, p.bits)
		if !ok {
			return bad("a number")
		}
		v.SetFloat(n)
	case kindTime:
		t, ok := parseTime(from.value, p.format.or(dateTime))
		if !ok {
			return bad("a time such as 2026-01-31T12:00:00Z")
		}
		v.Set(reflect.ValueOf(t))
	case kindDocument:
		return bad("left out: documents cannot be sent as parameters")
	case kindBytes:
		b, err := base64.StdEncoding.DecodeString(from.value)
		if err != nil {
			return bad("base64")
		}
		v.SetBytes(b)
	}
	return nil
}
