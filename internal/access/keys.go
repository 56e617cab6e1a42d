package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// Bounds of the keys file.
const (
	maxKeysFile = 8 << 20
	maxKeys     = 100_000
)

// keysFile is the file's shape, see the package comment.
type keysFile struct {
	Keys []keyEntry `yaml:"keys"`
}

type keyEntry struct {
	Key     string    `yaml:"key"`
	Secret  string    `yaml:"secret"`
	Account string    `yaml:"account"`
	User    string    `yaml:"user"`
	Policy  yaml.Node `yaml:"policy"`
}

// readKeys reads and checks a keys file.
func readKeys(path string) (creds []Credential, warnings []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf(
			"keys file %s can be read or changed by others than its owner (mode %04o); run: chmod 600 %s", path, mode, path))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeysFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxKeysFile {
		return nil, nil, fmt.Errorf("%s: larger than %d bytes", path, maxKeysFile)
	}
	creds, err = parseKeys(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return creds, warnings, nil
}

// parseKeys reads the YAML (or JSON) of a keys file.
func parseKeys(data []byte) ([]Credential, error) {
	var file keysFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("is empty; it needs a list `keys:`")
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	switch n := len(file.Keys); {
	case n == 0:
		return nil, errors.New("names no keys; it needs a list `keys:`")
	case n > maxKeys:
		return nil, fmt.Errorf("names %d keys, more than %d", n, maxKeys)
	}
	creds := make([]Credential, 0, len(file.Keys))
	for i, e := range file.Keys {
		c := Credential{Key: e.Key, Secret: e.Secret, Account: e.Account, User: e.User}
		if !e.Policy.IsZero() {
			p, err := policyNode(&e.Policy)
			if err != nil {
				return nil, fmt.Errorf("keys[%d] (key %q): policy: %w", i, e.Key, err)
			}
			c.Policy = p
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		creds = append(creds, c)
	}
	return creds, nil
}

// policyNode reads a policy given as nested YAML or as a string of JSON.
func policyNode(n *yaml.Node) (*Policy, error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return ParsePolicy([]byte(n.Value), Identity)
	}
	asText(n)
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("must have text as keys")
	}
	return ParsePolicy(data, Identity)
}

// asText keeps YAML from reading a policy's Version as a date.
func asText(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content { // aliases point at nodes that were visited already
		asText(c)
	}
}

// check refuses credentials that could not work or could be forged.
func (c Credential) check() error {
	switch {
	case c.Key == "":
		return errors.New("key is missing")
	case !isKeyID(c.Key):
		return fmt.Errorf("key %q: must be at most 128 printable ASCII characters without blanks, slash, comma and =", c.Key)
	case len(c.Secret) < 8:
		return fmt.Errorf("key %s: secret must have at least 8 characters", c.Key)
	case !IsAccount(c.Account):
		return fmt.Errorf("key %s: account %q must be twelve digits (in quotes)", c.Key, c.Account)
	case c.User != "" && !isName(c.User):
		return fmt.Errorf("key %s: user %q must be at most 64 printable ASCII characters without blanks and :*?\"\\", c.Key, c.User)
	}
	return nil
}
