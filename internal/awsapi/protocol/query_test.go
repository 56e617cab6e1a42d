package protocol

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

type queryIn struct {
	QueueUrl   string
	Max        *int32 `aws:"MaxNumberOfMessages"`
	Wait       int32
	Flag       bool
	F          float64
	Names      []string `aws:"AttributeNames" query:"AttributeName,flat"`
	Members    []string
	Custom     []string             `query:"Customs,,entry"`
	Attributes map[string]string    `query:"Attribute,flat,Name,Value"`
	Messages   map[string]attribute `query:"MessageAttribute,flat,Name,Value"`
	Plain      map[string]string
	Entries    []queryEntry `query:"SendMessageBatchRequestEntry,flat"`
	At         time.Time
	Sub        *queryEntry
}

type attribute struct {
	DataType         string
	StringValue      *string
	BinaryValue      []byte
	StringListValues []string `query:"StringListValue,flat"`
}

type queryEntry struct {
	Id       string
	Messages map[string]attribute `query:"MessageAttribute,flat,Name,Value"`
	Names    []string
}

func TestDecodeForm(t *testing.T) {
	t.Parallel()
	p := planOf[queryIn](t)
	for _, tt := range []struct {
		name, in string
		want     queryIn
	}{
		{"nothing", "Action=X&Version=2012-11-05&Unknown.1.a=b", queryIn{}},
		{"scalars", "QueueUrl=http%3A%2F%2Fh%2F1%2Fq+x&MaxNumberOfMessages=10&Wait=-3&Flag=true&F=2.5&At=2026-03-01T12:00:00Z",
			queryIn{QueueUrl: "http://h/1/q x", Max: ptr(int32(10)), Wait: -3, Flag: true, F: 2.5, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}},
		{"no value", "QueueUrl&Sub=", queryIn{Sub: &queryEntry{}}},
		{"first counts", "QueueUrl=a&QueueUrl=b", queryIn{QueueUrl: "a"}},
		{"flat list in order of numbers", "AttributeName.10=c&AttributeName.2=b&AttributeName.1=a", queryIn{Names: []string{"a", "b", "c"}}},
		{"huge numbers", "AttributeName.999999999999999999999999=b&AttributeName.1=a", queryIn{Names: []string{"a", "b"}}},
		{"list without number", "AttributeName=All", queryIn{Names: []string{"All"}}},
		{"empty list", "AttributeName=", queryIn{Names: []string{}}},
		{"members", "Members.member.2=b&Members.member.1=a&Customs.entry.1=c", queryIn{Members: []string{"a", "b"}, Custom: []string{"c"}}},
		{"flat map", "Attribute.1.Name=a&Attribute.1.Value=1&Attribute.2.Value=2&Attribute.2.Name=b", queryIn{Attributes: map[string]string{"a": "1", "b": "2"}}},
		{"map without value or name", "Attribute.1.Name=a&Attribute.2.Value=2", queryIn{Attributes: map[string]string{"a": "", "": "2"}}},
		{"flat map, unnumbered", "Attribute.Value=1&Attribute.Name=a&Attribute.2.Name=b&Attribute.2.Value=2", queryIn{Attributes: map[string]string{"a": "1", "b": "2"}}},
		{"structure in a map, unnumbered", "MessageAttribute.Name=a&MessageAttribute.Value.StringValue=x",
			queryIn{Messages: map[string]attribute{"a": {StringValue: ptr("x")}}}},
		{"plain map, unnumbered", "Plain.entry.key=a&Plain.entry.value=1", queryIn{Plain: map[string]string{"a": "1"}}},
		{"plain map", "Plain.entry.1.key=a&Plain.entry.1.value=1", queryIn{Plain: map[string]string{"a": "1"}}},
		{"structures in a map", "MessageAttribute.1.Name=a&MessageAttribute.1.Value.StringValue=x&MessageAttribute.1.Value.DataType=String" +
			"&MessageAttribute.2.Name=b&MessageAttribute.2.Value.BinaryValue=AQI%3D&MessageAttribute.2.Value.DataType=Binary" +
			"&MessageAttribute.2.Value.StringListValue.1=l",
			queryIn{Messages: map[string]attribute{"a": {DataType: "String", StringValue: ptr("x")}, "b": {DataType: "Binary", BinaryValue: []byte{1, 2}, StringListValues: []string{"l"}}}}},
		{"structures in a list", "SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.1.Id=a" +
			"&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=Number" +
			"&SendMessageBatchRequestEntry.1.Names.member.1=x",
			queryIn{Entries: []queryEntry{{Id: "a", Messages: map[string]attribute{"n": {DataType: "Number"}}, Names: []string{"x"}}, {Id: "b"}}}},
		{"pointer to a structure", "Sub.Id=x", queryIn{Sub: &queryEntry{Id: "x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := parseForm("", []byte(tt.in), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got queryIn
			if err := decodeForm(f, 0, 0, p, reflect.ValueOf(&got).Elem()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeFormRefuses(t *testing.T) {
	t.Parallel()
	p := planOf[queryIn](t)
	for _, tt := range []struct{ name, in, code, want string }{
		{"percent", "QueueUrl=%", "MalformedQueryString", "syntax error"},
		{"percent in name", "Queue%zzUrl=a", "MalformedQueryString", "syntax error"},
		{"UTF-8", "QueueUrl=%ff", "MalformedQueryString", "UTF-8"},
		{"too many", strings.Repeat("a=b&", maxParameters+1), "MalformedQueryString", "4096"},
		{"integer", "MaxNumberOfMessages=ten", "MalformedInput", "Value ten for parameter MaxNumberOfMessages is invalid. Reason: Must be an integer."},
		{"large integer", "Wait=2147483648", "MalformedInput", "Must be an integer"},
		{"bool", "Flag=yes", "MalformedInput", "Must be true or false"},
		{"float", "F=x", "MalformedInput", "Must be a number"},
		{"time", "At=x", "MalformedInput", "Must be a time"},
		{"base64", "MessageAttribute.1.Value.BinaryValue=*", "MalformedInput", "Must be base64"},
		{"structure for a string", "QueueUrl.1=x", "MalformedInput", "Start of structure or map found where not expected: QueueUrl.1."},
		{"string for a structure", "Sub=x", "MalformedInput", "is a structure"},
		{"string for a map", "Attribute=x", "MalformedInput", "is a list or map"},
		{"no number", "AttributeName.first=x", "MalformedInput", "where a number is expected"},
		{"neither number nor name", "Attribute.Key=x", "MalformedInput", "where a number is expected"},
		{"no member", "Members.1=x", "MalformedInput", "where member is expected"},
		{"key is a structure", "Attribute.1.Name.x=1", "MalformedInput", "is not the key of a map"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := parseForm("", []byte(tt.in), nil)
			if err == nil {
				err = decodeForm(f, 0, 0, p, reflect.New(p.typ).Elem())
			}
			if err == nil || err.Code != tt.code || !strings.Contains(err.Message, tt.want) {
				t.Errorf("got %v, want %s: …%s…", err, tt.code, tt.want)
			}
		})
	}
}

func TestDeepForm(t *testing.T) {
	t.Parallel()
	p := planOf[inner](t)
	f, err := parseForm("", []byte(strings.Repeat("Again.", 5000)+"name=x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := decodeForm(f, 0, 0, p, reflect.New(p.typ).Elem()); err == nil || !strings.Contains(err.Message, "nested too deeply") {
		t.Error(err)
	}
}

type xmlOut struct {
	QueueUrls  []string          `query:"QueueUrl,flat"`
	Attributes map[string]string `query:"Attribute,flat,Name,Value"`
	Messages   []xmlMessage      `query:"Message,flat"`
	Members    []string
	Plain      map[string]string
	Moved      int64
	Ok         bool
	F          float64
	At         time.Time
	Next       *string
	Nested     [][]string
}

type xmlMessage struct {
	Body       string
	Attributes map[string]attribute `query:"MessageAttribute,flat,Name,Value"`
}

func TestEncodeXML(t *testing.T) {
	t.Parallel()
	p := planOf[xmlOut](t)
	got := string(appendXML(nil, p, reflect.ValueOf(xmlOut{
		QueueUrls:  []string{"a", "b"},
		Attributes: map[string]string{"y": "2", "x": ""},
		Messages:   []xmlMessage{{Body: "<&>\"\r\n\x00\ufffe", Attributes: map[string]attribute{"k": {DataType: "Binary", BinaryValue: []byte{1}}}}},
		Members:    []string{"m"},
		Plain:      map[string]string{"k": "v"},
		Ok:         true,
		F:          0.5,
		At:         time.UnixMilli(1772366400250),
		Next:       ptr(""),
		Nested:     [][]string{{"x"}},
	})))
	want := "<QueueUrl>a</QueueUrl><QueueUrl>b</QueueUrl>" +
		"<Attribute><Name>x</Name><Value></Value></Attribute><Attribute><Name>y</Name><Value>2</Value></Attribute>" +
		"<Message><Body>&lt;&amp;&gt;&quot;&#xD;\n\ufffd\ufffd</Body><MessageAttribute><Name>k</Name><Value><DataType>Binary</DataType><BinaryValue>AQ==</BinaryValue></Value></MessageAttribute></Message>" +
		"<Members><member>m</member></Members><Plain><entry><key>k</key><value>v</value></entry></Plain>" +
		"<Moved>0</Moved><Ok>true</Ok><F>0.5</F><At>2026-03-01T12:00:00.250Z</At><Next></Next>" +
		"<Nested><member><member>x</member></member></Nested>"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	type embedded struct{ inner }
	for _, v := range []any{
		embedded{}, struct{ A chan int }{}, struct{ A map[int]string }{}, struct{ A any }{}, struct{ A *[]string }{},
		struct {
			A string
			B string `aws:"A"`
		}{},
		struct {
			A string `query:"A,flat"`
		}{},
		struct {
			A []string `query:"A,flt"`
		}{},
		struct {
			A []string `query:"A,flat,B,C"`
		}{},
		struct {
			A map[string]string `query:"A,flat,B,C,D"`
		}{},
		struct {
			A string `aws:"A,omit"`
		}{},
		struct {
			A []string `query:"X,flat"`
			B []string `query:"X,flat"`
		}{},
	} {
		if _, err := (planner{}).plan(reflect.TypeOf(v)); err == nil {
			t.Errorf("%T was accepted", v)
		}
	}
}

// FuzzDecodeForm holds the parser against net/url; decoding must be bounded by the input.
func FuzzDecodeForm(f *testing.F) {
	f.Add("Action=SendMessage&QueueUrl=a&MessageAttribute.1.Name=a&MessageAttribute.1.Value.StringValue=x")
	f.Add("SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.01.Id=a&AttributeName.9999999999=x&AttributeName=All")
	f.Add("a..b=1&.=&=&%2e=%2E&Members.member.1=&Plain.entry.1.key=k&Sub.Id=%C3%A4")
	p := planOf[queryIn](f)
	f.Fuzz(func(t *testing.T, body string) {
		params, err := parseForm("", []byte(body), nil)
		want, wantErr := url.ParseQuery(body)
		if err != nil {
			return
		}
		// net/url refuses semicolons and takes all else that we take.
		if wantErr != nil && !strings.Contains(body, ";") {
			t.Fatalf("accepted %q, net/url says %v", body, wantErr)
		}
		if wantErr == nil {
			for k, v := range want {
				if got := params.get(k); got != v[0] {
					t.Fatalf("%q is %q, net/url says %q", k, got, v[0])
				}
			}
		}
		for i := 1; i < len(params); i++ {
			if compareNames(params[i-1].name, params[i].name) > 0 {
				t.Fatalf("%q before %q", params[i-1].name, params[i].name)
			}
		}
		var in queryIn
		if err := decodeForm(params, 0, 0, p, reflect.ValueOf(&in).Elem()); err != nil {
			return
		}
		if n := len(in.Names) + len(in.Entries) + len(in.Attributes) + len(in.Members); n > len(params) {
			t.Fatalf("%d entries from %d parameters", n, len(params))
		}
	})
}

// FuzzXMLText: whatever text, encoding/xml reads back what XML can hold of it.
func FuzzXMLText(f *testing.F) {
	f.Add("a<b>&\"'\r\n\t\x00]]>\ufffe\xff")
	p := planOf[xmlMessage](f)
	f.Fuzz(func(t *testing.T, s string) {
		text := append(appendXML([]byte("<r>"), p, reflect.ValueOf(xmlMessage{Body: s, Attributes: map[string]attribute{s: {}}})), "</r>"...)
		dec := xml.NewDecoder(strings.NewReader(string(text)))
		var got string
		for {
			tok, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %q", err, text)
			}
			if c, ok := tok.(xml.CharData); ok && got == "" {
				got = string(c)
			}
		}
		want := strings.Map(func(r rune) rune {
			if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
				return 0xFFFD
			}
			return r
		}, s)
		if want != "" && got != want {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}

func TestNumbersCompare(t *testing.T) {
	t.Parallel()
	order := []string{"0", "00", "01", "1", "2", "10", "99999999999999999999", "a", "b"}
	for i := range order {
		for j := range order {
			if got, want := comparePart(order[i], order[j]), compareInt(i, j); got != want {
				t.Errorf("%s, %s: %d, want %d", order[i], order[j], got, want)
			}
		}
	}
}

func compareInt(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}
