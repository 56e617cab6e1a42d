package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds a configuration file, in bytes.
const maxConfigFile = 1 << 20

// ReadConfigFile reads a YAML file of the keys of Config. A key that is not
// known is an error that names its line. The result holds only the keys that
// the file sets, as text.
func ReadConfigFile(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if len(data) > maxConfigFile {
		return nil, fmt.Errorf("configuration file %s: is larger than %d bytes", path, maxConfigFile)
	}
	keys, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	return keys, nil
}

// parseConfig reads the keys of a document, as text; lists are joined by commas.
func parseConfig(data []byte) (map[string]string, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, plainYAML(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one document")
	}
	keys := map[string]string{}
	if len(doc.Content) == 0 {
		return keys, nil
	}
	root := resolved(doc.Content[0])
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return keys, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: has to be a list of settings, each as NAME: VALUE", root.Line)
	}
	kinds, seen := keyTypes(), map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i].Value
		at := func(format string, args ...any) error {
			return fmt.Errorf("line %d: %s", root.Content[i].Line, fmt.Sprintf(format, args...))
		}
		kind, ok := kinds[key]
		switch {
		case !ok:
			return nil, at("%q is not a setting; waystation serve --help lists them", key)
		case seen[key]:
			return nil, at("%s is set twice", key)
		}
		seen[key] = true
		value, problem := settingText(resolved(root.Content[i+1]), kind)
		switch {
		case problem != "":
			return nil, at("%s %s", key, problem)
		case value != nil:
			keys[key] = *value
		}
	}
	return keys, nil
}

// settingText reads a value of that type as text, nil when it is null. What is
// wrong with it, problem says.
func settingText(n *yaml.Node, kind reflect.Type) (value *string, problem string) {
	if n.Kind == yaml.SequenceNode && kind.Kind() == reflect.Slice {
		var parts []string
		for _, entry := range n.Content {
			if entry = resolved(entry); entry.Kind != yaml.ScalarNode || strings.Contains(entry.Value, ",") {
				return nil, "has to be a list of single values"
			}
			parts = append(parts, entry.Value)
		}
		text := strings.Join(parts, ",")
		return &text, ""
	}
	if n.Kind != yaml.ScalarNode {
		return nil, "has to be a single value"
	}
	if n.Tag == "!!null" {
		return nil, ""
	}
	var err error
	switch {
	case kind == reflect.TypeFor[time.Duration]():
		if _, err = time.ParseDuration(n.Value); err != nil {
			problem = fmt.Sprintf("has to be a duration such as 30s or 5m, not %q", n.Value)
		}
	case kind.Kind() == reflect.Int:
		if _, err = strconv.Atoi(n.Value); err != nil {
			problem = fmt.Sprintf("has to be a whole number, not %q", n.Value)
		}
	case kind.Kind() == reflect.Bool:
		if n.Value != "true" && n.Value != "false" {
			problem = fmt.Sprintf("has to be true or false, not %q", n.Value)
		}
	}
	return &n.Value, problem
}

// keyTypes are the types of the settings, by key.
func keyTypes() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for f := range reflect.TypeFor[Config]().Fields() {
		types[f.Tag.Get("yaml")] = f.Type
	}
	return types
}

// resolved is what an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// plainYAML takes the library's name off an error.
func plainYAML(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}

// DefaultKeys returns the defaults under their keys, as text, for the help of
// a command line; keys without a default are left out.
func DefaultKeys() map[string]string {
	keys := map[string]string{}
	d := reflect.ValueOf(Default())
	for f, v := range d.Fields() {
		if !v.IsZero() {
			keys[f.Tag.Get("yaml")] = fmt.Sprint(v.Interface())
		}
	}
	return keys
}
