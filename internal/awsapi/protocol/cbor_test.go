package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeCBOR(t *testing.T) {
	t.Parallel()
	type times struct {
		At   time.Time
		Half float32
		F    float64
	}
	for _, tt := range []struct {
		name, in string
		want     any
	}{
		{"nothing", "", everything{}},
		{"empty", "a0", everything{}},
		{"empty, indefinite", "bf ff", everything{}},
		{"tagged as CBOR", "d9d9f7 a1 6153 6161", everything{S: "a"}},
		{"string in pieces", "a1 6153 7f 6161 6162 60 ff", everything{S: "ab"}},
		{"name in pieces", "a1 7f 6153 ff 6161", everything{S: "a"}},
		{"bytes in pieces", "a1 64426c6f62 5f 4101 4102 ff", everything{Blob: []byte{1, 2}}},
		{"no bytes", "a1 64426c6f62 40", everything{Blob: []byte{}}},
		{"null and undefined", "a2 6153 f6 6149 f7", everything{}},
		{"numbers", "a3 6149 1a7fffffff 614c 3b7fffffffffffffff 6442797465 387f", everything{I: math.MaxInt32, L: math.MinInt64, Byte: -128}},
		{"lists", "a2 644c697374 9f 6161 ff 6444656570 82 8101 9f02ff", everything{List: []string{"a"}, Deep: [][]int32{{1}, {2}}}},
		{"sparse", "a1 66537061727365 82 f6 6161", everything{Sparse: []*string{nil, ptr("a")}}},
		{"maps", "a1 614d bf 6161 6162 ff", everything{M: map[string]string{"a": "b"}}},
		{"structures", "a1 624d61 80", everything{}},
		{"unknown members", "a3 6158 a1 01 82 f5 c1 00 6159 5f 4101 ff 6153 6161", everything{S: "a"}},
		{"last counts", "a2 6153 6161 6153 6162", everything{S: "b"}},
		{"half", "a2 6448616c66 f93e00 6146 f97e00", times{Half: 1.5, F: math.NaN()}},
		{"single", "a2 6448616c66 fa3fc00000 6146 fa3fc00000", times{Half: 1.5, F: 1.5}},
		{"whole number as a float", "a2 6448616c66 03 6146 20", times{Half: 3, F: -1}},
		{"time", "a1 624174 c1 1a5a552cd9", times{At: time.Unix(1515531481, 0).UTC()}},
		{"time with a fraction", "a1 624174 c1 fb41d6954b36480000", times{At: time.UnixMilli(1515531481125).UTC()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := reflect.New(reflect.TypeOf(tt.want))
			p, err := planner{}.plan(got.Type().Elem())
			if err != nil {
				t.Fatal(err)
			}
			in := fromHex(t, tt.in)
			if err := decodeCBOR(in, p, got.Elem(), nil, false); err != nil {
				t.Fatal(err)
			}
			clear(in) // what was decoded is a copy
			if g, w := got.Elem().Interface(), tt.want; !reflect.DeepEqual(g, w) && !sameFloats(g, w) {
				t.Errorf("got  %+v\nwant %+v", g, w)
			}
		})
	}
}

// sameFloats compares what DeepEqual cannot, NaN.
func sameFloats(a, b any) bool {
	x, err1 := cbor.Marshal(a)
	y, err2 := cbor.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func TestDecodeCBORRefuses(t *testing.T) {
	t.Parallel()
	type choice struct {
		_    Union
		A, B *string
	}
	p := planOf[struct {
		S    string
		Blob []byte
		B    bool
		I    int32
		F    float64
		L    int64
		List []string
		M    map[string]string
		N    inner
		Doc  Document
		At   time.Time
		U    *choice
	}](t)
	for _, tt := range []struct{ name, in, want string }{
		{"cut", "a1 6153", "not valid CBOR"},
		{"more behind it", "a0 00", "not valid CBOR"},
		{"open", "bf 6153 6161", "not valid CBOR"},
		{"reserved", "a1 6153 1c", "not valid CBOR"},
		{"longer than there is", "a1 6153 7b7fffffffffffffff 61", "not valid CBOR"},
		{"list longer than there is", "a1 644c697374 9b7fffffffffffffff", "not valid CBOR"},
		{"no map", "80", "must be a CBOR map"},
		{"too deep", "a1 6158 " + strings.Repeat("81", 100) + "00", "not valid CBOR"},
		{"UTF-8", "a1 6153 61ff", "UTF-8"},
		{"bytes for a string", "a1 6153 4161", "S: a byte string can not be converted to a String"},
		{"string for bytes", "a1 64426c6f62 6161", "Blob: a text string can not be converted to a Blob"},
		{"number for a bool", "a1 6142 01", "B: an integer can not be converted to a Boolean"},
		{"float for an integer", "a1 6149 f93c00", "I: a floating-point number can not be converted to an Integer"},
		{"too large", "a1 6149 1a80000000", "I: the number is out of range"},
		{"far too large", "a1 614c 1bffffffffffffffff", "L: the number is out of range"},
		{"string for a number", "a1 6146 6131", "F: a text string can not be converted to a Number"},
		{"bool for a list", "a1 644c697374 f5", "List: a simple value can not be converted to a list"},
		{"null in a list", "a1 644c697374 81 f6", "List: must not hold null"},
		{"null in a map", "a1 614d a1 6161 f6", "M: must not hold null"},
		{"number as a key", "a1 614d a1 01 6161", "M: an integer can not be converted to a String"},
		{"number as a name", "a1 01 00", "no string"},
		{"list for a structure", "a1 614e 80", "N: an array can not be converted to a structure"},
		{"document", "a1 63446f63 00", "documents cannot be sent as CBOR"},
		{"time without its tag", "a1 624174 00", "At: an integer can not be converted to a Timestamp"},
		{"time that is none", "a1 624174 c1 6161", "At: is not a time"},
		{"time out of range", "a1 624174 c1 1b7fffffffffffffff", "At: is not a time, or out of range"},
		{"NaN as a time", "a1 624174 c1 f97e00", "At: is not a time, or out of range"},
		{"two of a union", "a1 6155 a2 6141 6161 6142 6161", "U: is a union"},
		{"none of a union", "a1 6155 a1 6141 f6", "U: is a union"},
		{"other of a union", "a1 6155 a1 6158 00", "has no member X"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := decodeCBOR(fromHex(t, tt.in), p, reflect.New(p.typ).Elem(), nil, false)
			if err == nil || err.Code != "SerializationException" || !strings.Contains(err.Message, tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
	// Values are paid for before they are made.
	many := append(fromHex(t, "a1 644c697374 9a00100000"), bytes.Repeat([]byte{0x60}, 1<<20)...)
	if err := decodeCBOR(many, p, reflect.New(p.typ).Elem(), &meter{}, false); err == nil || !strings.Contains(err.Message, "too many values") {
		t.Errorf("a million elements: %v", err)
	}
}

// TestCBORMillis: in the older protocol times are milliseconds.
func TestCBORMillis(t *testing.T) {
	t.Parallel()
	type times struct{ At time.Time }
	p := planOf[times](t)
	want := times{At: time.UnixMilli(1515531481123).UTC()}
	b := appendCBOR(nil, p, reflect.ValueOf(want), true)
	if hex.EncodeToString(b) != "a1624174c11b00000160dcb73023" {
		t.Errorf("%x", b)
	}
	var got times
	if err := decodeCBOR(b, p, reflect.ValueOf(&got).Elem(), nil, true); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestCBORAgainstLibrary: what the library writes is read as it was, and the other
// way, for random values.
func TestCBORAgainstLibrary(t *testing.T) {
	t.Parallel()
	p := planOf[everything](t)
	text := rapid.SampledFrom([]string{"", "a", "ä你😀", strings.Repeat("x", 300)})
	var node func(t *rapid.T, depth int) inner
	node = func(t *rapid.T, depth int) inner {
		n := inner{Name: text.Draw(t, "name")}
		if rapid.Bool().Draw(t, "value") {
			n.Value = ptr(rapid.Int64().Draw(t, "int"))
		}
		if depth < 4 && rapid.Bool().Draw(t, "again") {
			again := node(t, depth+1)
			n.Again = &again
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		in := everything{
			S: text.Draw(t, "S"), I: rapid.Int32().Draw(t, "I"), L: rapid.Int64().Draw(t, "L"), B: rapid.Bool().Draw(t, "B"),
			F: rapid.Float64().Draw(t, "F"), Half: rapid.Float32().Draw(t, "Half"), Byte: rapid.Int8().Draw(t, "Byte"),
			Blob: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "Blob"), List: rapid.SliceOfN(text, 1, 30).Draw(t, "List"),
			M: rapid.MapOfN(text, text, 1, 3).Draw(t, "M"), N: node(t, 0), Many: []inner{node(t, 0)},
			Sparse: []*string{nil, ptr("a")}, Deep: [][]int32{{1}},
		}
		theirs, err := cbor.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var got everything
		if err := decodeCBOR(theirs, p, reflect.ValueOf(&got).Elem(), nil, false); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, in) {
			t.Fatalf("got  %+v\nwant %+v", got, in)
		}
		var back everything
		if err := cbor.Unmarshal(appendCBOR(nil, p, reflect.ValueOf(in), false), &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, in) {
			t.Fatalf("the library reads %+v\nwant %+v", back, in)
		}
	})
}

// FuzzDecodeCBOR: nothing panics, what is accepted the library accepts too, and it
// comes out the same when it is written and read again.
func FuzzDecodeCBOR(f *testing.F) {
	f.Add(fromHex(f, "a3 6149 1a7fffffff 614c 3b7fffffffffffffff 6442797465 387f"))
	f.Add(fromHex(f, "bf 644c697374 9f 6161 7f 6161 ff ff 614d bf 6161 6162 ff 6158 5f 4101 ff 6146 f97e00 ff"))
	p := planOf[everything](f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, back everything
		if err := decodeCBOR(data, p, reflect.ValueOf(&got).Elem(), &meter{}, false); err != nil {
			return
		}
		if len(data) > 0 {
			if err := cbor.Wellformed(data); err != nil {
				t.Fatalf("accepted %x: %v", data, err)
			}
		}
		text := appendCBOR(nil, p, reflect.ValueOf(got), false)
		if err := decodeCBOR(text, p, reflect.ValueOf(&back).Elem(), nil, false); err != nil {
			t.Fatalf("own output %x refused: %v", text, err)
		}
		again := appendCBOR(nil, p, reflect.ValueOf(back), false)
		if !bytes.Equal(text, again) {
			t.Fatalf("%x came back as %x", text, again)
		}
	})
}

// FuzzTimes: a time that is read is written back as one that means the same.
func FuzzTimes(f *testing.F) {
	f.Add("2018-01-09T20:51:21.123Z", byte(dateTime))
	f.Add("Tue, 09 Jan 2018 20:51:21 GMT", byte(httpDate))
	f.Add("1515531081.123", byte(epochSeconds))
	f.Fuzz(func(t *testing.T, s string, format byte) {
		tf := timeFormat(format%3 + 1)
		at, ok := parseTime(s, tf)
		if !ok {
			return
		}
		if tf == httpDate {
			at = at.Truncate(time.Second)
		}
		text := string(appendTime(nil, at, tf))
		again, ok := parseTime(text, tf)
		if !ok || !again.Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("%q is %v, written as %q, which is %v", s, at, text, again)
		}
	})
}

func TestUnionsAndDocumentsInJSON(t *testing.T) {
	t.Parallel()
	type choice struct {
		_    Union
		A    *string
		List []string
	}
	type in struct {
		U   *choice
		Doc Document
		At  time.Time `aws:",http-date"`
	}
	p := planOf[in](t)
	var got in
	body := `{"U":{"__type":"x","A":null,"List":["a"]},"Doc":{"a":[1,2.50,null]},"At":"Tue, 09 Jan 2018 20:51:21 GMT"}`
	if err := decodeJSON([]byte(body), p, reflect.ValueOf(&got).Elem(), nil); err != nil {
		t.Fatal(err)
	}
	if got.U == nil || got.U.A != nil || len(got.U.List) != 1 || string(got.Doc) != `{"a":[1,2.50,null]}` || got.At.Unix() != 1515531081 {
		t.Fatalf("got %+v", got)
	}
	if s := appendJSON(nil, p, reflect.ValueOf(got)); !json.Valid(s) || !strings.Contains(string(s), `"At":"Tue, 09 Jan 2018 20:51:21 GMT"`) {
		t.Errorf("written as %s", s)
	}
	for _, bad := range []string{`{"U":{}}`, `{"U":{"A":"x","List":[]}}`, `{"U":{"Z":1}}`, `{"U":[]}`, `{"At":1515531081}`, `{"At":"2018-01-09T20:51:21Z"}`} {
		if err := decodeJSON([]byte(bad), p, reflect.New(p.typ).Elem(), nil); err == nil || err.Code != "SerializationException" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
