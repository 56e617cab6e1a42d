//go:build goexperiment.jsonv2

package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"reflect"
	"strings"
	"testing"
)

// The measurements of docs/adr/0010-json-codec.md: our scanner against the standard
// library's next decoder, used in the two ways that there are.
//
//	GOEXPERIMENT=jsonv2 go test -run '^$' -bench JSONv2 -count 6 ./internal/awsapi/protocol

// tokens decodes by a plan from the library's tokens: what would stand in the place
// of scanner, with the same bounds.
type tokens struct {
	*jsontext.Decoder
	meter *meter
}

func (d tokens) decode(p *plan, v reflect.Value) error {
	switch d.PeekKind() {
	case 'n':
		v.SetZero()
		_, err := d.ReadToken()
		return err
	case '{':
		if p.kind == kindPointer {
			break
		}
		if d.StackDepth() > maxDepth {
			return serialization("too deep")
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		var m reflect.Value
		if p.kind == kindMap {
			m = reflect.MakeMap(p.typ)
			v.Set(m)
		}
		for d.PeekKind() == '"' {
			name, err := d.ReadToken()
			if err != nil {
				return err
			}
			if p.kind == kindMap {
				key := name.String()
				if err := d.meter.take(p.elemSize()); err != nil {
					return err
				}
				elem := reflect.New(p.elem.typ).Elem()
				if err := d.decode(p.elem, elem); err != nil {
					return err
				}
				m.SetMapIndex(reflect.ValueOf(key), elem)
				continue
			}
			i, ok := p.byName[name.String()]
			if !ok {
				if err := d.SkipValue(); err != nil {
					return err
				}
				continue
			}
			f := &p.fields[i]
			if err := d.decode(f.plan, v.Field(f.index)); err != nil {
				return err
			}
		}
		_, err := d.ReadToken()
		return err
	case '[':
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		v.Set(reflect.MakeSlice(p.typ, 0, 0))
		for d.PeekKind() != ']' {
			if err := d.meter.take(p.elemSize()); err != nil {
				return err
			}
			if err := d.decode(p.elem, extend(v)); err != nil {
				return err
			}
		}
		_, err := d.ReadToken()
		return err
	}
	if p.kind == kindPointer {
		if err := d.meter.take(p.elem.typ.Size()); err != nil {
			return err
		}
		e := reflect.New(p.elem.typ)
		v.Set(e)
		return d.decode(p.elem, e.Elem())
	}
	t, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch p.kind {
	case kindString:
		v.SetString(t.String())
	case kindBytes:
		b, err := base64.StdEncoding.DecodeString(t.String())
		v.SetBytes(b)
		return err
	case kindBool:
		v.SetBool(t.Bool())
	case kindInt:
		v.SetInt(t.Int())
	case kindFloat:
		v.SetFloat(t.Float())
	}
	return nil
}

// batchBody is a SendMessageBatch of ten with two attributes each.
func batchBody() []byte {
	entry := `{"Id":"ENTRY","MessageBody":"` + strings.Repeat("abcdefgh", 32) + `","MessageAttributes":{"a":{"DataType":"String","StringValue":"x"},"b":{"DataType":"Number","StringValue":"17"}}}`
	return []byte(`{"QueueUrl":"http://127.0.0.1:4566/123456789012/orders","Entries":[` + strings.Repeat(entry+",", 9) + entry + `]}`)
}

type batchIn struct {
	QueueUrl string
	Entries  []struct {
		Id                string
		MessageBody       string
		MessageAttributes map[string]attribute
	}
}

func BenchmarkJSONv2(b *testing.B) {
	for name, body := range map[string][]byte{"send": sendBody(b, false), "quoted": sendBody(b, true), "batch": batchBody()} {
		p := planOf[sendIn](b)
		fresh := func() any { return new(sendIn) }
		if name == "batch" {
			p, fresh = planOf[batchIn](b), func() any { return new(batchIn) }
		}
		run := func(how string, decode func(in any) error) {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					if err := decode(fresh()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("ours", func(in any) error {
			if err := decodeJSON(body, p, reflect.ValueOf(in).Elem(), &meter{}); err != nil {
				return err
			}
			return nil
		})
		d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
		run("tokens", func(in any) error {
			d.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
			return tokens{d, &meter{}}.decode(p, reflect.ValueOf(in).Elem())
		})
		run("unmarshal", func(in any) error {
			return jsonv2.Unmarshal(body, in, jsontext.AllowDuplicateNames(true))
		})
	}
}
