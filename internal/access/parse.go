package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of a policy.
const (
	MaxPolicyBytes = 64 << 10
	maxStatements  = 256
	maxEntries     = 512 // values in one list
	maxPolicyDepth = 8
)

// ParsePolicy parses and checks an IAM policy document in JSON. What it does not
// understand it refuses, with a sentence that names the place: a policy that is
// half understood would grant or deny what nobody meant.
func ParsePolicy(data []byte, kind Kind) (*Policy, error) {
	if len(data) > MaxPolicyBytes {
		return nil, fmt.Errorf("policy is larger than %d bytes", MaxPolicyBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, fmt.Errorf("policy is not valid JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("policy is not valid JSON: text after its end")
	}
	doc, ok := v.(object)
	if !ok {
		return nil, errors.New("policy must be a JSON object")
	}
	p := &Policy{kind: kind}
	version := "2008-10-17"
	var statements any
	for _, m := range doc {
		switch m.name {
		case "Version":
			version, _ = m.value.(string)
			if version != "2012-10-17" && version != "2008-10-17" {
				return nil, errors.New(`Version must be "2012-10-17" or "2008-10-17"`)
			}
		case "Id":
			if _, ok := m.value.(string); !ok {
				return nil, errors.New("Id must be a string")
			}
		case "Statement":
			statements = m.value
		default:
			return nil, fmt.Errorf("unknown policy element %q", m.name)
		}
	}
	if statements == nil {
		return nil, errors.New("policy has no Statement")
	}
	list, ok := statements.([]any)
	if !ok {
		list = []any{statements}
	}
	if len(list) > maxStatements {
		return nil, fmt.Errorf("policy has more than %d statements", maxStatements)
	}
	for i, v := range list {
		o, ok := v.(object)
		if !ok {
			return nil, fmt.Errorf("Statement[%d] must be an object", i)
		}
		s, err := parseStatement(o, kind, version)
		if err != nil {
			return nil, fmt.Errorf("Statement[%d]: %w", i, err)
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

func parseStatement(o object, kind Kind, version string) (s statement, err error) {
	var effect, actions, resources, principals string // element names seen
	for _, m := range o {
		switch m.name {
		case "Sid":
			if s.sid, err = text(m); err != nil {
				return s, err
			}
		case "Effect":
			effect = m.name
			switch m.value {
			case "Allow":
			case "Deny":
				s.deny = true
			default:
				return s, errors.New(`Effect must be "Allow" or "Deny"`)
			}
		case "Action", "NotAction":
			if actions != "" {
				return s, errors.New("has both Action and NotAction")
			}
			actions, s.notAction = m.name, m.name == "NotAction"
			if s.actions, err = patterns(m, version); err != nil {
				return s, err
			}
			for i, a := range s.actions {
				if a != "*" && (strings.IndexByte(a, ':') <= 0 || strings.HasSuffix(a, ":")) {
					return s, fmt.Errorf(`%s %q must be "*" or of the form "service:action"`, m.name, a)
				}
				s.actions[i] = lower(a)
			}
		case "Resource", "NotResource":
			if resources != "" {
				return s, errors.New("has both Resource and NotResource")
			}
			resources, s.notResource = m.name, m.name == "NotResource"
			if s.resources, err = patterns(m, version); err != nil {
				return s, err
			}
			for _, r := range s.resources {
				// A resource's policy may hold anything here, as with AWS: it then
				// matches nothing.
				if kind == Identity && r != "*" && !strings.HasPrefix(r, "arn:") {
					return s, fmt.Errorf(`%s %q must be "*" or an ARN`, m.name, r)
				}
			}
		case "Principal", "NotPrincipal":
			if kind == Identity {
				return s, fmt.Errorf("%s is not allowed in the policy of a user", m.name)
			}
			if principals != "" {
				return s, errors.New("has both Principal and NotPrincipal")
			}
			principals, s.notPrincipal = m.name, m.name == "NotPrincipal"
			if s.principals, err = parsePrincipals(m); err != nil {
				return s, err
			}
		case "Condition":
			if s.conditions, err = parseConditions(m, version); err != nil {
				return s, err
			}
		default:
			return s, fmt.Errorf("unknown element %q", m.name)
		}
	}
	switch {
	case effect == "":
		return s, errors.New("Effect is missing")
	case actions == "":
		return s, errors.New("Action is missing")
	case resources == "" && kind == Identity:
		return s, errors.New("Resource is missing")
	case resources == "":
		s.resources = []string{"*"} // the resource that the policy hangs on
	}
	if principals == "" && kind == Resource {
		return s, errors.New("Principal is missing")
	}
	return s, nil
}

// parsePrincipals reads "*" or {"AWS": …, "Service": …, "Federated": …}.
func parsePrincipals(m member) ([]principal, error) {
	if m.value == "*" {
		return []principal{{any: true}}, nil
	}
	o, ok := m.value.(object)
	if !ok || len(o) == 0 {
		return nil, fmt.Errorf(`%s must be "*" or an object such as {"AWS": "123456789012"}`, m.name)
	}
	var list []principal
	for _, kind := range o {
		values, err := texts(kind)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			p, err := parsePrincipal(kind.name, v)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
	}
	return list, nil
}

func parsePrincipal(kind, v string) (principal, error) {
	switch kind {
	case "AWS":
		if v == "*" {
			return principal{any: true}, nil
		}
		if IsAccount(v) {
			return principal{account: v}, nil
		}
		parts := strings.SplitN(v, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" || parts[3] != "" || !IsAccount(parts[4]) ||
			(parts[2] != "iam" && parts[2] != "sts") || parts[5] == "" || strings.ContainsAny(v, "*?") {
			return principal{}, fmt.Errorf(`Principal %q must be "*", an account of twelve digits, or the ARN of an account, user or role without wildcards`, v)
		}
		if parts[5] == "root" {
			return principal{account: parts[4]}, nil
		}
		return principal{arn: v}, nil
	case "Service":
		if v == "" || strings.ContainsAny(v, "*?:") {
			return principal{}, fmt.Errorf(`Principal Service %q must be a name such as "sns.amazonaws.com"`, v)
		}
		return principal{service: v}, nil
	case "Federated":
		if v == "" || strings.ContainsAny(v, "*?") {
			return principal{}, fmt.Errorf(`Principal Federated %q must be the ARN of an identity provider`, v)
		}
		return principal{provider: v}, nil
	}
	return principal{}, fmt.Errorf(`Principal has the unknown kind %q; use "AWS", "Service" or "Federated"`, kind)
}

// patterns reads a string or a list of them, for Action and Resource.
func patterns(m member, version string) ([]string, error) {
	list, err := texts(m)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if err := checkVariables(m.name, p, version); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// checkVariables refuses policy variables: taken as plain text they would never match.
func checkVariables(place, p, version string) error {
	if version == "2012-10-17" && strings.Contains(p, "${") {
		return fmt.Errorf("%s %q: policy variables are not supported", place, p)
	}
	return nil
}

func text(m member) (string, error) {
	s, ok := m.value.(string)
	if !ok {
		return "", fmt.Errorf("%s must be a string", m.name)
	}
	return s, nil
}

func texts(m member) ([]string, error) {
	if s, ok := m.value.(string); ok {
		return []string{s}, nil
	}
	list, ok := m.value.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s must be a string or a list of strings", m.name)
	}
	out := make([]string, len(list))
	for i, v := range list {
		if out[i], ok = v.(string); !ok {
			return nil, fmt.Errorf("%s[%d] must be a string", m.name, i)
		}
	}
	return out, nil
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// object is a JSON object with its members in order; repeated names are refused.
type object []member

type member struct {
	name  string
	value any // string, bool, json.Number, nil, []any, object
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxPolicyDepth {
		return nil, errors.New("nested too deeply")
	}
	t, err := dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		seen := map[string]bool{}
		for dec.More() {
			t, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, _ := t.(string)
			if seen[name] {
				return nil, fmt.Errorf("%q is given twice in one object", name)
			}
			seen[name] = true
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name, v})
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if list = append(list, v); len(list) > maxEntries {
				return nil, fmt.Errorf("a list has more than %d entries", maxEntries)
			}
		}
		_, err := dec.Token()
		return list, err
	}
	return t, nil
}
