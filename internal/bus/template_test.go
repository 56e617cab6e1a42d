package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/partition"
)

var received = time.Date(2026, 3, 1, 12, 30, 15, 250_000_000, time.UTC)

func aDocument(t testing.TB, detail string) *document {
	t.Helper()
	d, err := newDocument(partition.MessageID{7}, &Event{
		Account: "123456789012", Region: "eu-west-1", Source: "shop", DetailType: "paid", Detail: detail, Resources: []string{"r1", `r"2`},
		Time: received,
	}, received)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocument(t *testing.T) {
	t.Parallel()
	d := aDocument(t, " { \"n\" : 1.0, \"s\":\"<&\ufffe\" } ")
	const want = `{"version":"0","id":"07000000-0000-0000-0000-000000000000","detail-type":"paid","source":"shop","account":"123456789012",` +
		`"time":"2026-03-01T12:30:15Z","region":"eu-west-1","resources":["r1","r\"2"],"detail":{"n":1.0,"s":"<&\ufffe"}}`
	if string(d.text) != want {
		t.Errorf("got  %s\nwant %s", d.text, want)
	}
	if bare := string(d.bare()); bare != strings.TrimSuffix(want, `,"detail":{"n":1.0,"s":"<&\ufffe"}}`)+"}" {
		t.Errorf("without its detail it is %s", bare)
	}
	if string(d.text) != want {
		t.Error("the document has changed")
	}
	if _, err := newDocument(partition.MessageID{}, &Event{Detail: "{"}, received); err == nil {
		t.Error("a detail that is no JSON is taken")
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	d := aDocument(t, `{"s":"a \"b\"\nc","n":12,"t":true,"z":null,"o":{"k":"v\"w","l":[1,"x\\"]}}`)
	names := &ruleNames{arn: quote("arn:rule"), name: quote("paid")}
	paths := map[string]string{
		"s": "$.detail.s", "n": "$.detail.n", "t": "$.detail.t", "z": "$.detail.z", "o": "$.detail.o", "none": "$.detail.none", "my-type": "$.detail-type",
	}
	for template, want := range map[string]string{
		`"order <n> is <my-type>"`:                `"order 12 is paid"`,
		`"<s>"`:                                   `"a \"b\"\nc"`,
		`<s>`:                                     `"a \"b\"\nc"`,
		`{"s":<s>,"n":<n>,"t":<t>,"z":<z>}`:       `{"s":"a \"b\"\nc","n":12,"t":true,"z":null}`,
		`{"o":<o>,"in":"x <o> y"}`:                `{"o":{"k":"v\"w","l":[1,"x\\"]},"in":"x {k:vw,l:[1,x\\]} y"}`,
		`"nothing <none>."`:                       `"nothing ."`,
		`{"x":<none>}`:                            `{"x":null}`,
		"\"one <n>\"\n\"two <my-type>\"":          "\"one 12\"\n\"two paid\"",
		`"<aws.events.rule-arn> <n>"`:             `"arn:rule 12"`,
		`<aws.events.rule-name>`:                  `"paid"`,
		`<aws.events.event.ingestion-time>`:       `"2026-03-01T12:30:15.250Z"`,
		`{"e":<aws.events.event.json>}`:           `{"e":` + string(d.text) + `}`,
		`{"e":<aws.events.event>}`:                `{"e":` + string(d.bare()) + `}`,
		`{"a":"1 < 2 and 3 > 2 <","<n>":"\"<n>"}`: `{"a":"1 < 2 and 3 > 2 <","12":"\"12"}`,
		`[1,2]`: `[1,2]`,
	} {
		x, err := ParseTemplate(template, paths)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if got, err := x.execute(d, names, received); string(got) != want || err != nil {
			t.Errorf("%s gives\n%s, %v, want\n%s", template, got, err, want)
		}
	}
	for template, paths := range map[string]map[string]string{
		``: nil, `order <n>`: {"n": "$.n"}, `"<unknown>"`: nil, `"<aws.events.none>"`: nil, `{"a":<n>`: {"n": "$.n"}, `{} {}`: nil,
		`{"a":"<n>}`: {"n": "$.n"}, `"a"`: {"n": "n"}, `"b"`: {"n n": "$"}, `"c"`: {"aws.events.event": "$"}, `"d"`: {"": "$"}, `<n><n>`: {"n": "$"},
	} {
		_, err := ParseTemplate(template, paths)
		var wrong *TemplateError
		if !errors.As(err, &wrong) || wrong.Reason == "" || !utf8.ValidString(wrong.Reason) {
			t.Errorf("%s with %v: %v", template, paths, err)
		}
	}
}

// A template of few bytes cannot make a message without end.
func TestTemplateThatGrows(t *testing.T) {
	t.Parallel()
	d := aDocument(t, `{"s":"`+strings.Repeat("x", 500_000)+`"}`)
	x, err := ParseTemplate(`"`+strings.Repeat("<s>", 1000)+`"`, map[string]string{"s": "$.detail.s"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := x.execute(d, &ruleNames{}, received); !errors.Is(err, errMessageSize) {
		t.Errorf("it makes %d bytes, %v", len(b), err)
	}
}

// The paths of an event's targets go over a bounded part of it, all together.
func TestPathsOfALargeEvent(t *testing.T) {
	t.Parallel()
	d := aDocument(t, `{"a0":1,"s":"`+strings.Repeat("x", 1<<20)+`"}`)
	find := func(i int) error {
		p, err := ParsePath(fmt.Sprintf("$.detail.a%d", i))
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.find(p)
		return err
	}
	const most = 3
	d.read = maxRead - most*len(d.text)
	for i := range most {
		if err := find(i); err != nil {
			t.Fatalf("path %d: %v", i, err)
		}
	}
	for range 1000 {
		if err := find(0); err != nil {
			t.Fatalf("one that was found before: %v", err)
		}
	}
	if err := find(most); !errors.Is(err, errRead) {
		t.Errorf("one too many: %v", err)
	}
	x, err := ParseTemplate(`{"a":<a>}`, map[string]string{"a": "$.detail.b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.execute(d, &ruleNames{}, received); !errors.Is(err, errRead) {
		t.Errorf("a template: %v", err)
	}
}

// Whatever a template that is taken is filled with, JSON or strings come out.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`"a <x> b"`, `{"k":<x>,"l":"<x>\"<y>"}`, "\"<x>\"\n\"<y>\"", `<aws.events.event.json>`, `[<x>,"\\<y>"]`} {
		f.Add(s, "$.detail.a", "$.detail", `{"a":"q\"\\ \u0041 <x>","b":[{"c":"\"\\\""}]}`)
	}
	f.Fuzz(func(t *testing.T, text, x, y, detail string) {
		if !json.Valid([]byte(detail)) || !utf8.ValidString(text) {
			return
		}
		tpl, err := ParseTemplate(text, map[string]string{"x": x, "y": y})
		if err != nil {
			return
		}
		d := aDocument(t, detail)
		b, err := tpl.execute(d, &ruleNames{arn: quote("arn"), name: quote("name")}, received)
		if err != nil {
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		for dec.More() {
			var v any
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%q makes %q of %q: %v", text, b, detail, err)
			}
		}
	})
}
