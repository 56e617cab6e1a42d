package access

import (
	"errors"
	"testing"
)

func TestSharing(t *testing.T) {
	t.Parallel()
	s := Sharing{Prefix: "SNS", ID: "Default", Shared: []string{"Publish", "Subscribe"}, Owner: []string{"DeleteTopic"},
		MaxStatements: 2, MaxActions: 2, MaxAccounts: 2, MaxLabel: 5}
	const arn, one, two = "arn:aws:sns:eu-west-1:222222222222:news", "111111111111", "333333333333"
	problem := func(err error) PermissionProblem {
		var e *PermissionError
		if !errors.As(err, &e) {
			return 0
		}
		return e.Problem
	}
	for _, tt := range []struct {
		label             string
		accounts, actions []string
		want              PermissionProblem
	}{
		{"a", []string{one}, []string{"Publish"}, 0},
		{"", nil, nil, NoLabel},
		{"toolong", []string{one}, []string{"Publish"}, BadLabel},
		{"a b", []string{one}, []string{"Publish"}, BadLabel},
		{"a", []string{one}, nil, NoActions},
		{"a", []string{one}, []string{"Publish", "Publish", "Publish"}, TooManyActions},
		{"a", nil, []string{"Publish"}, NoAccounts},
		{"a", []string{one, one, one}, []string{"Publish"}, TooManyAccounts},
		{"a", []string{one}, []string{"DeleteTopic"}, OwnersAction},
		{"a", []string{one}, []string{"publish"}, UnknownAction},
		{"a", []string{"1"}, []string{"Publish"}, BadAccount},
	} {
		if got := problem(s.Check(tt.label, tt.accounts, tt.actions)); got != tt.want {
			t.Errorf("%+v: problem %d", tt, got)
		}
	}
	const first = `{"Version":"2008-10-17","Id":"` + arn + `/Default","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"SNS:Publish","Resource":"` + arn + `"}`
	p, err := s.Add("", arn, "a", []string{one}, []string{"Publish"})
	if err != nil || p != first+"]}" {
		t.Fatalf("%s, %v", p, err)
	}
	if _, err := s.Add(p, arn, "a", []string{two}, []string{"Publish"}); problem(err) != LabelTaken {
		t.Errorf("label taken: %v", err)
	}
	p, err = s.Add(p, arn, "b", []string{one, two}, []string{"Publish", "Subscribe"})
	if want := first + `,{"Sid":"b","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::333333333333:root"]},"Action":["SNS:Publish","SNS:Subscribe"],"Resource":"` + arn + `"}]}`; err != nil || p != want {
		t.Fatalf("%s, %v", p, err)
	}
	if _, err := ParsePolicy([]byte(p), Resource); err != nil || Statements(p) != 2 {
		t.Errorf("%d statements, %v", Statements(p), err)
	}
	if _, err := s.Add(p, arn, "c", []string{one}, []string{"Publish"}); problem(err) != TooManyStatements {
		t.Errorf("a third statement: %v", err)
	}
	if _, err := s.Remove(p, "c"); problem(err) != UnknownLabel {
		t.Errorf("unknown label: %v", err)
	}
	if _, err := s.Remove("", "c"); problem(err) != NoStatements {
		t.Errorf("no policy: %v", err)
	}
	if _, err := s.Remove("nonsense", "c"); problem(err) != BadPolicy {
		t.Errorf("nonsense: %v", err)
	}
	if p, err = s.Remove(p, "b"); err != nil || p != first+"]}" {
		t.Errorf("after the removal: %s, %v", p, err)
	}
	if p, err = s.Remove(p, "a"); err != nil || p != "" {
		t.Errorf("after the last: %q, %v", p, err)
	}
	// A single statement outside of a list, and words that are not ours, stay.
	p, err = s.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sns:*","Resource":"*"}}`, arn, "a", []string{one}, []string{"Publish"})
	if err != nil || Statements(p) != 2 {
		t.Errorf("%s, %v", p, err)
	}
}
