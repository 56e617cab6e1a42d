package sts

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/constraint"
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

// problems gathers what is wrong with an input.
type problems struct{ constraint.Problems }

// error is nil when nothing is wrong.
func (v *problems) error() error {
	return constraint.Refuse(v.Problems, func(msg string) *protocol.Error { return &protocol.Error{Code: "ValidationError", Message: msg} })
}

func (v *problems) role(arn string) { v.Length("roleArn", arn, 20, 2048) }

func (v *problems) sessionName(member, name string) {
	v.Pattern(member, name, 2, 64, `[\w+=,.@-]*`, `+=,.@-`)
}

func (v *problems) duration(n *int32, most int32) { v.Range("durationSeconds", n, minSeconds, most) }

func (v *problems) policy(text string) {
	if text != "" {
		v.Length("policy", text, 1, maxPolicy)
	}
}

// tags checks session tags and gives them as a map.
func (v *problems) tags(list []tag) map[string]string {
	if len(list) == 0 {
		return nil
	}
	if len(list) > maxTags {
		v.Add("tags", strconv.Itoa(len(list))+" tags", "have length less than or equal to "+strconv.Itoa(maxTags))
		return nil
	}
	tags := make(map[string]string, len(list))
	for i, t := range list {
		member := "tags." + strconv.Itoa(i+1) + ".member."
		v.Length(member+"key", t.Key, 1, 128)
		if utf8.RuneCountInString(t.Value) > 256 {
			v.Add(member+"value", t.Value, "have length less than or equal to 256")
		}
		// Conditions find a tag by its key without regard to case, so two that differ in
		// nothing else would let the client choose what a policy sees.
		if slices.ContainsFunc(list[:i], func(before tag) bool { return strings.EqualFold(before.Key, t.Key) }) {
			v.Add(member+"key", t.Key, "be given once, without regard to case")
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
