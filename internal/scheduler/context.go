package scheduler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeForm is how times are told.
const timeForm = "2006-01-02T15:04:05Z"

// occurrence is one time of a schedule, at one attempt.
type occurrence struct {
	arn             string
	account, region string
	created         int64
	nominal         time.Time
	attempt         int
}

// digest tells occurrences apart: of the time alone, or with the attempt.
func (o *occurrence) digest(attempt int) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s %d %d %d", o.arn, o.created, o.nominal.UnixMilli(), attempt))
}

// execution is the id of the attempt.
func (o *occurrence) execution() string {
	sum := o.digest(o.attempt)
	return hex.EncodeToString(sum[:8])
}

// dedup is the deduplication id of what it sends: the same for all attempts.
func (o *occurrence) dedup() string {
	sum := o.digest(0)
	return hex.EncodeToString(sum[:])
}

// expand writes the context attributes that a text names, also where an encoder of JSON
// has escaped their brackets.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func (o *occurrence) expand(text string) string {
	if !strings.Contains(text, "aws.scheduler.") {
		return text
	}
	var pairs []string
	for _, a := range [][2]string{
		{"schedule-arn", o.arn}, {"scheduled-time", o.nominal.UTC().Format(timeForm)},
		{"execution-id", o.execution()}, {"attempt-number", strconv.Itoa(o.attempt)},
	} {
		pairs = append(pairs, "<aws.scheduler."+a[0]+">", a[1], `\u003caws.scheduler.`+a[0]+`\u003e`, a[1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Sample is a text with the context attributes that it names, of no schedule in
// particular.
func Sample(text string) string {
	return (&occurrence{arn: "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/sample", nominal: time.Unix(0, 0), attempt: 1}).expand(text)
}

// notification is what targets get that are given no input.
func (o *occurrence) notification(id string) string {
	b, err := json.Marshal(struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     string   `json:"detail"`
	}{"0", id, "Scheduled Event", "aws.scheduler", o.account, o.nominal.UTC().Format(timeForm), o.region, []string{o.arn}, "{}"})
	if err != nil {
		return "{}" // strings alone: it does not fail
	}
	return string(b)
}
