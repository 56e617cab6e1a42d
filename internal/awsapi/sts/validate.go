package sts

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// The bounds of the API, besides those of the keys file's roles.
const (
	minSeconds     = 900
	maxRoleSeconds = 43_200
	maxUserSeconds = 129_600
	maxPolicy      = 2048
	maxTags        = 50
)

// problems gathers what is wrong with an input, as the real service does: all at
// once, in one sentence each.
type problems []string

func (v *problems) add(member, value, constraint string) {
	const most = 200
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	shown := "Value '" + value + "'"
	if value == "" {
		shown = "Value null"
	}
	*v = append(*v, shown+" at '"+member+"' failed to satisfy constraint: Member must "+constraint)
}

// error is nil when nothing is wrong.
func (v problems) error() error {
	if len(v) == 0 {
		return nil
	}
	n := strconv.Itoa(len(v)) + " validation error"
	if len(v) > 1 {
		n += "s"
	}
	return &protocol.Error{Code: "ValidationError", Message: n + " detected: " + strings.Join(v, "; ")}
}

// length checks a required text.
func (v *problems) length(member, value string, least, most int) {
	switch n := utf8.RuneCountInString(value); {
	case value == "":
		v.add(member, "", "not be null")
	case n < least:
		v.add(member, value, "have length greater than or equal to "+strconv.Itoa(least))
	case n > most:
		v.add(member, value, "have length less than or equal to "+strconv.Itoa(most))
	}
}

// pattern checks a required text of letters, digits, underscores and the
// characters of also; as is how the model spells that.
func (v *problems) pattern(member, value string, least, most int, as, also string) {
	before := len(*v)
	v.length(member, value, least, most)
	if len(*v) > before {
		return
	}
	if strings.ContainsFunc(value, func(r rune) bool {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
		return !word && !strings.ContainsRune(also, r)
	}) {
		v.add(member, value, "satisfy regular expression pattern: "+as)
	}
}

func (v *problems) role(arn string) { v.length("roleArn", arn, 20, 2048) }

func (v *problems) sessionName(member, name string) {
	v.pattern(member, name, 2, 64, `[\w+=,.@-]*`, `+=,.@-`)
}

func (v *problems) duration(n *int32, most int32) {
	switch {
	case n == nil:
	case *n < minSeconds:
		v.add("durationSeconds", strconv.Itoa(int(*n)), "have value greater than or equal to "+strconv.Itoa(minSeconds))
	case *n > most:
		v.add("durationSeconds", strconv.Itoa(int(*n)), "have value less than or equal to "+strconv.Itoa(int(most)))
	}
}

func (v *problems) policy(text string) {
	if text != "" {
		v.length("policy", text, 1, maxPolicy)
	}
}

// tags checks session tags and gives them as a map.
func (v *problems) tags(list []tag) map[string]string {
	if len(list) == 0 {
		return nil
	}
	if len(list) > maxTags {
		v.add("tags", strconv.Itoa(len(list))+" tags", "have length less than or equal to "+strconv.Itoa(maxTags))
		return nil
	}
	tags := make(map[string]string, len(list))
	for i, t := range list {
		member := "tags." + strconv.Itoa(i+1) + ".member."
		v.length(member+"key", t.Key, 1, 128)
		if utf8.RuneCountInString(t.Value) > 256 {
			v.add(member+"value", t.Value, "have length less than or equal to 256")
		}
		// Conditions find a tag by its key without regard to case, so two that differ in
		// nothing else would let the client choose what a policy sees.
		if slices.ContainsFunc(list[:i], func(before tag) bool { return strings.EqualFold(before.Key, t.Key) }) {
			v.add(member+"key", t.Key, "be given once, without regard to case")
		}
		tags[t.Key] = t.Value
	}
	return tags
}

// unsupported refuses a parameter that is known but not done.
func unsupported(name, instead string) *protocol.Error {
	return &protocol.Error{Code: "ValidationError", Message: "The parameter " + name + " is not supported: " + instead + "."}
}

func noMFA() *protocol.Error {
	return &protocol.Error{Code: "AccessDenied", Status: 403,
		Message: "MultiFactorAuthentication failed: keys have no device here, leave SerialNumber and TokenCode out."}
}
