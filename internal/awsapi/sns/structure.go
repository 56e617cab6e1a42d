package sns

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// defaultKey is whose message all protocols get that have none of their own.
const defaultKey = "default"

// structured reads a message of MessageStructure json: an object with a text for each
// protocol, and one that all others get. It gives that of a protocol.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func structured(message, protocol string) (string, error) {
	if !utf8.ValidString(message) {
		return "", errStructure
	}
	d := json.NewDecoder(bytes.NewReader([]byte(message)))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", errStructure
	}
	seen := map[string]bool{}
	texts := map[string]string{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[name] {
			return "", errStructure
		}
		seen[name] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return "", errStructure
		}
		var text string
		if value[0] == '"' && json.Unmarshal(value, &text) == nil { // others are passed over
			texts[name] = text
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') || d.More() {
		return "", errStructure
	}
	if _, err := d.Token(); err == nil {
		return "", errStructure
	}
	all, ok := texts[defaultKey]
	if !ok {
		return "", invalid("Message Structure - No default entry in JSON message body")
	}
	if own, ok := texts[protocol]; ok {
		return own, nil
	}
	return all, nil
}

var errStructure = invalid("Message Structure - JSON message body failed to parse")
