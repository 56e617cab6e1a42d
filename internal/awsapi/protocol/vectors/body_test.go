package vectors

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// sameBody compares two bodies by what they mean.
func sameBody(media string, got []byte, want string) error {
	var g, w any
	var err error
	switch {
	case want == "":
		if len(got) > 0 && string(got) != "{}" {
			return fmt.Errorf("body %q, want none", got)
		}
		return nil
	case media == "application/json" || media == "" && strings.HasPrefix(want, "{"):
		if err = json.Unmarshal(got, &g); err == nil {
			err = json.Unmarshal([]byte(want), &w)
		}
	case media == "application/cbor":
		var raw []byte
		if raw, err = base64.StdEncoding.DecodeString(want); err != nil {
			return err
		}
		if err = cbor.Unmarshal(got, &g); err == nil {
			err = cbor.Unmarshal(raw, &w)
		}
		g, w = plainCBOR(g), plainCBOR(w)
	case media == "application/xml" || strings.HasPrefix(want, "<"):
		if g, err = xmlTree(got); err == nil {
			w, err = xmlTree([]byte(want))
		}
	default:
		g, w = string(got), want
	}
	if err != nil {
		return fmt.Errorf("body %q: %w", got, err)
	}
	withoutNamespace(g)
	withoutNamespace(w)
	if gs, ws := fmt.Sprintf("%#v", g), fmt.Sprintf("%#v", w); gs != ws && !reflect.DeepEqual(g, w) {
		return fmt.Errorf("body %s\nwant %s", gs, ws)
	}
	return nil
}

// withoutNamespace drops the namespace of an error's name: clients must, and ours
// are named after the API.
func withoutNamespace(v any) {
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	if s, ok := m["__type"].(string); ok {
		m["__type"] = s[strings.LastIndexByte(s, '#')+1:]
	}
}

// plainCBOR makes maps comparable, and numbers equal that are: a whole one may be
// written as an integer or as a floating-point number.
func plainCBOR(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = plainCBOR(e)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plainCBOR(v[i])
		}
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	case float32:
		return float64(v)
	}
	return v
}

// element is an XML element without its namespace; its children are in order of
// their text, since maps have none.
type element struct {
	Name     string
	Attrs    []string
	Text     string
	Children []string
}

func xmlTree(raw []byte) (any, error) {
	d := xml.NewDecoder(bytes.NewReader(raw))
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		if start, ok := tok.(xml.StartElement); ok {
			text, err := readElement(d, start)
			if err != nil {
				return nil, err
			}
			if _, err := d.Token(); err != nil && err != io.EOF {
				return nil, err
			}
			return text, nil
		}
	}
}

func readElement(d *xml.Decoder, start xml.StartElement) (string, error) {
	e := element{Name: start.Name.Local}
	parent := false
	for _, a := range start.Attr {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			e.Attrs = append(e.Attrs, a.Name.Local+"="+a.Value)
		}
	}
	for {
		tok, err := d.Token()
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			child, err := readElement(d, tok)
			if err != nil {
				return "", err
			}
			parent = true
			switch tok.Name.Local {
			case "ResponseMetadata", "RequestId", "Detail":
				// Ours has all of them, each with an id of its own.
			default:
				e.Children = append(e.Children, child)
			}
		case xml.CharData:
			e.Text += string(tok)
		case xml.EndElement:
			if parent {
				e.Text = strings.TrimSpace(e.Text)
			}
			slices.Sort(e.Children)
			return fmt.Sprintf("%+v", e), nil
		}
	}
}
