package vectors

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// shape is a shape of a Smithy model in its JSON form.
type shape struct {
	ID         string
	Type       string
	Traits     traits
	Members    map[string]*member
	Member     *member // of a list
	Key, Value *member // of a map
	Version    string  // of a service
	Operations []target
	Resources  []target
	Errors     []target
	Input      target // of an operation
	Output     target
}

type member struct {
	Target string
	Traits traits
}

type target struct{ Target string }

type traits map[string]json.RawMessage

func (t traits) has(name string) bool { _, ok := t[name]; return ok }

// text gives a trait that is a string.
func (t traits) text(name string) string {
	var s string
	_ = json.Unmarshal(t[name], &s) // absent: ""
	return s
}

// into reads a trait, if it is there.
func (t traits) into(name string, v any) bool {
	return t.has(name) && json.Unmarshal(t[name], v) == nil
}

type model map[string]*shape

// load reads the models once.
var load = sync.OnceValues(func() (model, error) {
	f, err := os.Open("testdata/smithy.jsonl")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := model{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s := &shape{}
		if err := json.Unmarshal(lines.Bytes(), s); err != nil {
			return nil, fmt.Errorf("%.80s: %w", lines.Text(), err)
		}
		m[s.ID] = s
	}
	return m, lines.Err()
})

func models(t testing.TB) model {
	t.Helper()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shape finds a shape, those of Smithy's own prelude too.
func (m model) shape(id string) *shape {
	if s := m[id]; s != nil {
		return s
	}
	if name, ok := strings.CutPrefix(id, "smithy.api#"); ok {
		name = strings.TrimPrefix(name, "Primitive")
		if name == "Unit" {
			return &shape{ID: id, Type: "structure"}
		}
		return &shape{ID: id, Type: strings.ToLower(name)}
	}
	panic("the models do not have " + id)
}

// maker makes Go types of shapes, for one protocol.
type maker struct {
	model
	protocol string
	depth    map[string]int // of structures that are being made: they may hold themselves
}

// deepest is how often a structure may stand inside of itself: no test goes deeper.
const deepest = 5

var (
	emptyType    = reflect.TypeFor[protocol.Empty]()
	documentType = reflect.TypeFor[protocol.Document]()
	timeType     = reflect.TypeFor[time.Time]()
)

// structType makes the type of an input, an output or an error; "" and Unit have none
// of their own.
func (k *maker) structType(id string) reflect.Type {
	if id == "" || id == "smithy.api#Unit" {
		return emptyType
	}
	t, _ := k.typeOf(id)
	return t
}

// typeOf makes the type of a shape's values; false if it stands too deep.
func (k *maker) typeOf(id string) (reflect.Type, bool) {
	s := k.shape(id)
	switch s.Type {
	case "string", "enum":
		return reflect.TypeFor[string](), true
	case "boolean":
		return reflect.TypeFor[bool](), true
	case "byte":
		return reflect.TypeFor[int8](), true
	case "short":
		return reflect.TypeFor[int16](), true
	case "integer", "intEnum":
		return reflect.TypeFor[int32](), true
	case "long":
		return reflect.TypeFor[int64](), true
	case "float":
		return reflect.TypeFor[float32](), true
	case "double":
		return reflect.TypeFor[float64](), true
	case "timestamp":
		return timeType, true
	case "blob":
		return reflect.TypeFor[[]byte](), true
	case "document":
		return documentType, true
	case "list", "set":
		elem, ok := k.typeOf(s.Member.Target)
		if s.Traits.has("smithy.api#sparse") && elem != documentType {
			elem = reflect.PointerTo(elem)
		}
		return reflect.SliceOf(elem), ok
	case "map":
		elem, ok := k.typeOf(s.Value.Target)
		if s.Traits.has("smithy.api#sparse") && elem != documentType {
			elem = reflect.PointerTo(elem)
		}
		return reflect.MapOf(reflect.TypeFor[string](), elem), ok
	case "structure", "union":
		if k.depth[id] == deepest {
			return emptyType, false
		}
		k.depth[id]++
		defer func() { k.depth[id]-- }()
		return reflect.StructOf(k.fields(s)), true
	}
	panic("there is no type for " + s.Type + " " + id)
}

// pointer makes the type of values that can be absent.
func pointer(t reflect.Type) reflect.Type {
	if t == documentType || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		return t
	}
	return reflect.PointerTo(t)
}

func (k *maker) fields(s *shape) []reflect.StructField {
	var list []reflect.StructField
	if s.Type == "union" {
		list = append(list, reflect.StructField{Name: "Union", Type: reflect.TypeFor[protocol.Union]()})
	}
	for _, name := range sorted(s.Members) {
		m := s.Members[name]
		if k.isStream(m.Target) || k.shape(m.Target).Traits.has("smithy.api#error") {
			continue // events stand in the body one by one; those that are errors end them
		}
		t, ok := k.typeOf(m.Target)
		if !ok {
			continue
		}
		list = append(list, reflect.StructField{Name: fieldName(name), Type: pointer(t), Tag: k.tags(name, m)})
	}
	return list
}

// isStream reports whether a shape is a stream of events.
func (k *maker) isStream(id string) bool {
	s := k.shape(id)
	return s.Type == "union" && s.Traits.has("smithy.api#streaming")
}

// stream gives the union of the events that a structure holds, "" without one.
func (k *maker) stream(structure string) string {
	for _, m := range k.shape(structure).Members {
		if k.isStream(m.Target) {
			return m.Target
		}
	}
	return ""
}

// fieldName is a member's name as that of a Go field.
func fieldName(member string) string { return "M_" + member }

// tags says of a member what package protocol wants to know.
func (k *maker) tags(name string, m *member) reflect.StructTag {
	s := k.shape(m.Target)
	wire := name
	if k.protocol == "restJson1" && m.Traits.has("smithy.api#jsonName") {
		wire = m.Traits.text("smithy.api#jsonName")
	}
	options := []string{wire, "keep"}
	if f := k.timeFormat(m); f != "" {
		options = append(options, f)
	}
	if m.Traits.has("smithy.api#httpHeader") && s.Traits.has("smithy.api#mediaType") {
		options = append(options, "base64")
	}
	tag := fmt.Sprintf("aws:%q", strings.Join(options, ","))
	if http := k.place(name, m, s); http != "" {
		tag += fmt.Sprintf(" http:%q", http)
	}
	if k.protocol == "awsQuery" {
		tag += fmt.Sprintf(" query:%q", k.queryTag(name, m, s))
	}
	return reflect.StructTag(tag)
}

// timeFormat is the format of a member's times, or of those in its lists and maps.
func (k *maker) timeFormat(m *member) string {
	const name = "smithy.api#timestampFormat"
	if f := m.Traits.text(name); f != "" {
		return f
	}
	s := k.shape(m.Target)
	switch s.Type {
	case "timestamp":
		return s.Traits.text(name)
	case "list", "set":
		return k.timeFormat(s.Member)
	case "map":
		return k.timeFormat(s.Value)
	}
	return ""
}

func (k *maker) place(name string, m *member, s *shape) string {
	t := m.Traits
	switch {
	case t.has("smithy.api#httpLabel"):
		return "label=" + name
	case t.has("smithy.api#httpQuery"):
		return "query=" + t.text("smithy.api#httpQuery")
	case t.has("smithy.api#httpQueryParams"):
		return "queryparams"
	case t.has("smithy.api#httpHeader"):
		return "header=" + t.text("smithy.api#httpHeader")
	case t.has("smithy.api#httpPrefixHeaders"):
		return "prefix=" + t.text("smithy.api#httpPrefixHeaders")
	case t.has("smithy.api#httpResponseCode"):
		return "status"
	case t.has("smithy.api#eventHeader"):
		return "header"
	case t.has("smithy.api#eventPayload"):
		return "payload"
	case t.has("smithy.api#httpPayload"):
		if media := s.Traits.text("smithy.api#mediaType"); media != "" {
			return "payload=" + media
		}
		return "payload"
	}
	return ""
}

func (k *maker) queryTag(name string, m *member, s *shape) string {
	const xmlName = "smithy.api#xmlName"
	parts := []string{name, ""}
	if n := m.Traits.text(xmlName); n != "" {
		parts[0] = n
	}
	flat := m.Traits.has("smithy.api#xmlFlattened")
	if flat {
		parts[1] = "flat"
	}
	switch s.Type {
	case "list", "set":
		if n := s.Member.Traits.text(xmlName); n != "" {
			parts = append(parts, n)
		}
	case "map":
		parts = append(parts, s.Key.Traits.text(xmlName), s.Value.Traits.text(xmlName))
	}
	return strings.TrimRight(strings.Join(parts, ","), ",")
}

// fill sets v, of a type made by typeOf, to what a test says in JSON.
func (k *maker) fill(v reflect.Value, id string, params any) error {
	s := k.shape(id)
	if v.Kind() == reflect.Pointer {
		if params == nil {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type {
	case "string", "enum":
		v.SetString(params.(string))
	case "boolean":
		v.SetBool(params.(bool))
	case "byte", "short", "integer", "intEnum", "long":
		n, err := strconv.ParseInt(string(params.(json.Number)), 10, 64)
		if err != nil {
			return err
		}
		v.SetInt(n)
	case "float", "double":
		f, err := strconv.ParseFloat(fmt.Sprint(params), 64)
		if err != nil {
			return err
		}
		v.SetFloat(f)
	case "timestamp":
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(params)); err == nil { // in tests of events
			v.Set(reflect.ValueOf(at.UTC()))
			break
		}
		f, err := strconv.ParseFloat(fmt.Sprint(params), 64)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(time.UnixMilli(int64(f * 1000)).UTC()))
	case "blob":
		v.SetBytes([]byte(params.(string)))
	case "document":
		text, err := json.Marshal(params)
		if err != nil {
			return err
		}
		v.SetBytes(text)
	case "list", "set":
		list := params.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, e := range list {
			if err := k.fill(v.Index(i), s.Member.Target, e); err != nil {
				return err
			}
		}
	case "map":
		v.Set(reflect.MakeMap(v.Type()))
		for key, e := range params.(map[string]any) {
			elem := reflect.New(v.Type().Elem()).Elem()
			if err := k.fill(elem, s.Value.Target, e); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key), elem)
		}
	case "structure", "union":
		for name, e := range params.(map[string]any) {
			m := s.Members[name]
			if m == nil {
				return fmt.Errorf("%s has no member %s", id, name)
			}
			if err := k.fill(v.FieldByName(fieldName(name)), m.Target, e); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// dump writes a value so that two that mean the same are written the same.
func dump(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "absent"
		}
		return dump(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			return v.Interface().(time.Time).Format(time.RFC3339Nano)
		}
		var parts []string
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				parts = append(parts, v.Type().Field(i).Name+":"+dump(f))
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.Slice:
		if v.Type() == documentType {
			var doc any
			if err := json.Unmarshal(v.Bytes(), &doc); err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%#v", doc)
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("%q", v.Bytes())
		}
		var parts []string
		for i := range v.Len() {
			parts = append(parts, dump(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Map:
		entries := map[string]string{}
		for _, key := range v.MapKeys() {
			entries[key.String()] = dump(v.MapIndex(key))
		}
		return fmt.Sprintf("%q", entries)
	}
	return fmt.Sprintf("%#v", v.Interface())
}
