package protocol

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// everything has a member of every kind.
type everything struct {
	S    string
	P    *string
	I    int32
	PI   *int32
	L    int64
	B    bool
	PB   *bool
	F    float64
	Blob []byte
	List []string
	M    map[string]string
	N    inner

	Sparse []*string
	Half   float32
	Byte   int8
	Doc    Document `json:"-"`
	PN     *inner
	Many   []inner
	Maps   map[string]inner
	Deep   [][]int32
}

type inner struct {
	Name  string `json:"name" aws:"name"`
	Value *int64
	Again *inner
}

func planOf[T any](t testing.TB) *plan {
	t.Helper()
	p, err := planner{}.plan(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ptr[T any](v T) *T { return &v }

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	p := planOf[everything](t)
	for _, tt := range []struct {
		in   string
		want everything
	}{
		{``, everything{}},
		{` `, everything{}},
		{`{}`, everything{}},
		{` { "S" : "a" , "I" : -12 } `, everything{S: "a", I: -12}},
		{`{"P":"","PI":0,"PB":false,"PN":{}}`, everything{P: ptr(""), PI: ptr(int32(0)), PB: ptr(false), PN: &inner{}}},
		{`{"P":null,"S":null,"List":null,"M":null,"I":null,"Blob":null}`, everything{}},
		{`{"List":[],"M":{},"Blob":"","Many":[]}`, everything{List: []string{}, M: map[string]string{}, Blob: []byte{}, Many: []inner{}}},
		{`{"Sparse":["a",null,"b"],"M":{"k":"v","n":""}}`, everything{Sparse: []*string{ptr("a"), nil, ptr("b")}, M: map[string]string{"k": "v", "n": ""}}},
		{`{"Blob":"AQI\u003d","S":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"}`, everything{Blob: []byte{1, 2}, S: "\"\\/\b\f\n\r\tä😀"}},
		{`{"Blob":"\/\/8="}`, everything{Blob: []byte{255, 255}}},
		{`{"L":-9223372036854775808,"F":1.5e3,"B":true}`, everything{L: math.MinInt64, F: 1500, B: true}},
		{`{"L":9223372036854775807}`, everything{L: math.MaxInt64}},
		{`{"N":{"name":"x","Value":7,"Again":{"name":"y"}}}`, everything{N: inner{Name: "x", Value: ptr(int64(7)), Again: &inner{Name: "y"}}}},
		{`{"Many":[{"name":"a"},{"Value":1}],"Maps":{"k":{"name":"b"}}}`,
			everything{Many: []inner{{Name: "a"}, {Value: ptr(int64(1))}}, Maps: map[string]inner{"k": {Name: "b"}}}},
		{`{"\u0053":"escaped name","s":"other case","Unknown":{"a":[1,2.5e-3,{"b":"\u0041"}],"c":null,"d":true,"e":false}}`, everything{S: "escaped name"}},
		{`{"S":"first","S":"last","N":{"name":"a"},"N":{"Value":1},"List":["a","b"],"List":["c"]}`,
			everything{S: "last", N: inner{Value: ptr(int64(1))}, List: []string{"c"}}},
		{`{"Deep":[[1,2],[],[3]]}`, everything{Deep: [][]int32{{1, 2}, {}, {3}}}},
		{`{"S":"` + strings.Repeat("long ä ", 50) + `"}`, everything{S: strings.Repeat("long ä ", 50)}},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			var got everything
			if err := decodeJSON([]byte(tt.in), p, reflect.ValueOf(&got).Elem(), nil); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	t.Parallel()
	p := planOf[everything](t)
	for _, tt := range []struct{ in, want string }{
		{`[]`, "must be a JSON object"},
		{`"x"`, "must be a JSON object"},
		{`null`, "must be a JSON object"},
		{`{`, errSyntax},
		{`{"S"}`, errSyntax},
		{`{"S":}`, errSyntax},
		{`{"S":"a",}`, errSyntax},
		{`{"S":"a"}}`, errSyntax},
		{`{"S":"a"} x`, errSyntax},
		{`{S:"a"}`, errSyntax},
		{`{"S":"a}`, errSyntax},
		{`{"S":"a` + "\n" + `"}`, errSyntax},
		{`{"S":"\x"}`, errSyntax},
		{`{"S":"\u00g0"}`, errSyntax},
		{`{"S":"\u00`, errSyntax},
		{`{"S":"\`, errSyntax},
		{`{"X":tru}`, errSyntax},
		{`{"X":nul}`, errSyntax},
		{`{"X":01}`, errSyntax},
		{`{"X":-}`, errSyntax},
		{`{"X":1.}`, errSyntax},
		{`{"X":1e}`, errSyntax},
		{`{"X":.5}`, errSyntax},
		{`{"X":[1,]}`, errSyntax},
		{`{"X":[1 2]}`, errSyntax},
		{`{"S":x}`, errSyntax},
		{"{\"S\":\"a\xff\"}", "UTF-8"},
		{"{\"X\":\"long enough for the fast path \xc3\"}", "UTF-8"},
		{`{"S":"\ud83d"}`, "surrogate"},
		{`{"S":"\ud83d\u0041"}`, "surrogate"},
		{`{"X":"\ude00"}`, "surrogate"},
		{`{"S":1}`, "S: NUMBER_VALUE can not be converted to a String"},
		{`{"S":{"a":1}}`, "S: START_OBJECT can not be converted to a String"},
		{`{"I":"1"}`, "I: STRING_VALUE can not be converted to an Integer"},
		{`{"I":1.5}`, "I: the number 1.5 can not be converted to an Integer"},
		{`{"I":2147483648}`, "I: the number 2147483648"},
		{`{"L":9223372036854775808}`, "L: the number"},
		{`{"L":` + strings.Repeat("9", 100) + `}`, "L: the number " + strings.Repeat("9", 32) + "…"},
		{`{"F":1e999}`, "out of range"},
		{`{"B":"true"}`, "B: STRING_VALUE can not be converted to a Boolean"},
		{`{"B":0}`, "a Boolean"},
		{`{"Blob":[1]}`, "Blob: START_ARRAY can not be converted to a Blob"},
		{`{"Blob":"a"}`, "Blob: is not valid base64"},
		{`{"List":"a"}`, "List: STRING_VALUE can not be converted to a list"},
		{`{"List":[1]}`, "List: NUMBER_VALUE"},
		{`{"List":["a",null]}`, "List: must not hold null"},
		{`{"M":{"a":null}}`, "M: must not hold null"},
		{`{"Byte":128}`, "Byte: the number 128"},
		{`{"Half":1e39}`, "out of range"},
		{`{"F":"1"}`, "F: STRING_VALUE can not be converted to a Number"},
		{`{"F":"infinity"}`, "F: STRING_VALUE can not be converted to a Number"},
		{`{"Doc":[1,}`, errSyntax},
		{`{"M":[]}`, "M: START_ARRAY can not be converted to a map"},
		{`{"N":true}`, "N: TRUE_VALUE can not be converted to a structure"},
		{`{"X":` + strings.Repeat("[", 10000), "nested too deeply"},
		{strings.Repeat(`{"N":`, 100), "nested too deeply"},
		{strings.Repeat(`{"Again":`, 100), "nested too deeply"},
	} {
		t.Run(tt.in[:min(len(tt.in), 40)], func(t *testing.T) {
			t.Parallel()
			err := decodeJSON([]byte(tt.in), p, reflect.New(p.typ).Elem(), nil)
			if err == nil || err.Code != "SerializationException" || !strings.Contains(err.Message, tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestTimesAndFloats(t *testing.T) {
	t.Parallel()
	type times struct {
		At time.Time
		F  float64
	}
	p := planOf[times](t)
	var got times
	if err := decodeJSON([]byte(`{"At":1772366400.25,"F":-0.5}`), p, reflect.ValueOf(&got).Elem(), nil); err != nil {
		t.Fatal(err)
	}
	if want := time.UnixMilli(1772366400250); !got.At.Equal(want) {
		t.Errorf("got %v, want %v", got.At, want)
	}
	if s := string(appendJSON(nil, p, reflect.ValueOf(got))); s != `{"At":1772366400.250,"F":-0.5}` {
		t.Error(s)
	}
	if err := decodeJSON([]byte(`{"At":1e300}`), p, reflect.ValueOf(&got).Elem(), nil); err == nil {
		t.Error("a time out of range was accepted")
	}
	if s := string(appendJSON(nil, p, reflect.ValueOf(times{F: math.NaN()}))); s != `{"F":"NaN"}` {
		t.Error(s)
	}
}

func TestEncodeJSON(t *testing.T) {
	t.Parallel()
	type out struct {
		S     string
		Kept  string `aws:",keep"`
		N     int64
		B     bool
		P     *string
		List  []string
		KeptL []string `aws:"keptList,keep"`
		M     map[string]inner
		Blob  []byte
	}
	p := planOf[out](t)
	for _, tt := range []struct {
		in   out
		want string
	}{
		{out{}, `{"Kept":"","N":0,"B":false}`},
		{out{List: []string{}, KeptL: []string{}, M: map[string]inner{}, Blob: []byte{}}, `{"Kept":"","N":0,"B":false,"keptList":[]}`},
		{out{S: "a\"\\\n\r\t\x01ä\xff", P: ptr("")}, `{"S":"a\"\\\n\r\t\u0001ä` + "\ufffd" + `","Kept":"","N":0,"B":false,"P":""}`},
		{out{M: map[string]inner{"b": {Name: "x"}, "a": {}}, Blob: []byte{1}}, `{"Kept":"","N":0,"B":false,"M":{"a":{},"b":{"name":"x"}},"Blob":"AQ=="}`},
	} {
		if got := string(appendJSON(nil, p, reflect.ValueOf(tt.in))); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// namedNumber are numbers that encoding/json does not know.
var namedNumber = regexp.MustCompile(`"-?Infinity"|"NaN"`)

var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// oddNames tells whether a document has names that differ from a member's by case
// only (encoding/json takes them for it) and whether any object repeats a name.
func oddNames(data []byte) (fold, repeated bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var walk func() error
	walk = func() error {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'):
			seen := map[string]bool{}
			for dec.More() {
				tok, err := dec.Token()
				if err != nil {
					return err
				}
				name := tok.(string)
				repeated = repeated || seen[name]
				seen[name] = true
				for _, typ := range []reflect.Type{reflect.TypeFor[everything](), reflect.TypeFor[inner]()} {
					for i := range typ.NumField() {
						want := typ.Field(i).Name
						if tag := typ.Field(i).Tag.Get("aws"); tag != "" {
							want = tag
						}
						fold = fold || name != want && strings.EqualFold(name, want)
					}
				}
				if err := walk(); err != nil {
					return err
				}
			}
			_, err = dec.Token()
		case json.Delim('['):
			for dec.More() {
				if err := walk(); err != nil {
					return err
				}
			}
			_, err = dec.Token()
		}
		return err
	}
	_ = walk() // a document that breaks off: what was seen until then
	return fold, repeated
}

// FuzzDecodeJSON holds the decoder against encoding/json: same acceptance, same
// values, but for what scanner says.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"S":"a\u00e4\ud83d\ude00","P":null,"I":-1,"L":2,"B":true,"F":1.5e3,"Blob":"AQI=","List":["a"],"M":{"k":"v"}}`))
	f.Add([]byte(`{"N":{"name":"x","Value":7,"Again":{}},"PN":{},"Many":[{"name":"a"}],"Maps":{"k":{}},"Deep":[[1],[]]}`))
	f.Add([]byte(`{"X":[0,-0.0,1e5,{"a":[]},"\n"],"S":"0123456789abcdef\"\\"}`))
	p := planOf[everything](f)
	f.Fuzz(func(t *testing.T, data []byte) { compareJSON(t, p, data) })
}

// TestDecodeJSONProperty does the same with random documents and their mutations,
// which gets further than bytes at random.
func TestDecodeJSONProperty(t *testing.T) {
	t.Parallel()
	p := planOf[everything](t)
	text := rapid.SampledFrom([]string{`""`, `"a"`, `"AQI="`, `"\u00e4\n\ud83d\ude00"`, `"ä你😀"`, `"` + strings.Repeat("x", 40) + `\""`})
	names := rapid.SampledFrom([]string{"S", "P", "I", "PI", "L", "B", "PB", "F", "Blob", "List", "M", "N", "PN", "Many", "Maps", "Deep", "name", "Value", "Again", "X"})
	// Values of the right type, else hardly a document would be accepted.
	structs := []string{`{}`, `{"name":"a"}`, `{"Value":1,"Again":{"name":"\u00e4","Again":null}}`, `{"x":[{}],"Value":null}`, "null"}
	fitting := map[string][]string{
		"S": {`""`, `"a"`, `"\ud83d\ude00"`, "null"}, "P": {`""`, `"x"`, "null"}, "I": {"0", "-7", "null"}, "PI": {"1", "null"},
		"L": {"9223372036854775807", "-0"}, "B": {"true", "false"}, "PB": {"true", "null"}, "F": {"0", "1.5", "-2e-3", "1E5"},
		"Blob": {`""`, `"AQI="`, `"\/w=="`, "null"}, "List": {"[]", `["a"]`, `["a", "b"]`, "null"},
		"M": {"{}", `{"a":"b"}`, `{"":"" , "\u0041":"\n"}`, "null"}, "N": structs, "PN": structs,
		"Many": {"[]", "[{}]", "[" + strings.Join(structs[:3], ",") + "]"}, "Maps": {"{}", `{"k":` + structs[2] + `}`}, "Deep": {"[[1],[]]", "[]"},
	}
	var value func(t *rapid.T, depth int) string
	value = func(t *rapid.T, depth int) string {
		n := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth > 4 && n > 5 {
			n -= 5
		}
		space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
		switch n {
		case 0, 1, 2:
			return text.Draw(t, "text")
		case 3:
			return rapid.SampledFrom([]string{"0", "-1", "12", "1.5", "2e3", "2147483648", "-9223372036854775808", "1E-2", "1e999"}).Draw(t, "number")
		case 4:
			return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
		case 5:
			return "null"
		case 6:
			var list []string
			for range rapid.IntRange(0, 3).Draw(t, "n") {
				list = append(list, value(t, depth+1))
			}
			return "[" + space + strings.Join(list, ","+space) + "]"
		}
		var list []string
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			list = append(list, `"`+names.Draw(t, "name")+`"`+space+":"+space+value(t, depth+1))
		}
		return "{" + strings.Join(list, space+",") + space + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		var list []string
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			name := names.Draw(t, "name")
			v := value(t, 0)
			if fit := fitting[name]; fit != nil && rapid.IntRange(0, 9).Draw(t, "fit") > 0 {
				v = rapid.SampledFrom(fit).Draw(t, "value")
			}
			list = append(list, `"`+name+`":`+v)
		}
		data := []byte("{" + strings.Join(list, ",") + "}")
		for range rapid.IntRange(0, 2).Draw(t, "mutations") {
			i := rapid.IntRange(0, len(data)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "mutation") {
			case 0:
				data[i] = rapid.SampledFrom([]byte("{}[]\",:\\0e-. tu\x00\x80")).Draw(t, "byte")
			case 1:
				data = append(data[:i:i], data[i+1:]...)
			case 2:
				data = data[:i+1]
			}
			if len(data) == 0 {
				break
			}
		}
		compareJSON(t, p, data)
	})
}

// compareJSON decodes data with encoding/json too, and compares.
func compareJSON(t interface{ Fatalf(string, ...any) }, p *plan, data []byte) {
	var got, want everything
	gotErr := decodeJSON(bytes.Clone(data), p, reflect.ValueOf(&got).Elem(), nil)
	if gotErr != nil && strings.Contains(gotErr.Message, "nested too deeply") || len(bytes.TrimSpace(data)) == 0 ||
		string(bytes.TrimSpace(data)) == "null" {
		return
	}
	if !utf8.Valid(data) {
		if gotErr == nil {
			t.Fatalf("accepted invalid UTF-8 %q", data)
		}
		return
	}
	fold, repeated := oddNames(data)
	if fold || gotErr != nil && (surrogate.Match(data) || strings.Contains(gotErr.Message, "START_ARRAY can not be converted to a Blob") ||
		strings.Contains(gotErr.Message, "must not hold null") || namedNumber.Match(data)) {
		return
	}
	wantErr := json.Unmarshal(data, &want)
	if (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("got %v, encoding/json says %v, for %q", gotErr, wantErr, data)
	}
	got.Doc = nil // has no equal in encoding/json
	if gotErr == nil && !repeated && !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v\nencoding/json has %+v\nfor %q", got, want, data)
	}
	if gotErr != nil {
		return
	}
	// What we write, encoding/json reads back.
	var back everything
	text := appendJSON(nil, p, reflect.ValueOf(got))
	if err := decodeJSON(text, p, reflect.ValueOf(&back).Elem(), nil); err != nil {
		t.Fatalf("own output %s refused: %v", text, err)
	}
	if !json.Valid(text) {
		t.Fatalf("own output %s is no JSON", text)
	}
}

// FuzzJSONString: whatever string, encoding/json reads it back as it was.
func FuzzJSONString(f *testing.F) {
	f.Add("a\"\\\u2028\x00\x7f<>&")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendJSONString(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
	})
}
