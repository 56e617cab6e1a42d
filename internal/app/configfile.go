package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

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

func parseConfig(data []byte) (map[string]string, error) {
	// The typed decode checks names and kinds, with line numbers.
	var typed Config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&typed); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := dec.Decode(&typed); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one document")
	}
	// The node decode tells which keys were there.
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	keys := make(map[string]string, len(doc))
	for key, node := range doc {
		if node.Kind == yaml.AliasNode && node.Alias != nil {
			node = *node.Alias
		}
		if node.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s has to be a single value", node.Line, key)
		}
		if node.Tag == "!!null" {
			continue
		}
		keys[key] = node.Value
	}
	return keys, nil
}

// DefaultKeys returns the defaults under their keys, as text, for the help of
// a command line; keys without a default are left out.
func DefaultKeys() map[string]string {
	d := Default()
	data, err := yaml.Marshal(&d)
	if err != nil {
		return nil
	}
	keys, err := parseConfig(data)
	if err != nil {
		return nil
	}
	for k, v := range keys {
		if v == "" {
			delete(keys, k)
		}
	}
	return keys
}
