package access

import (
	"encoding/json"
	"errors"
	"slices"
)

// Sharing says what the owner of a service's resources can give away by
// AddPermission, which writes statements into the resource's policy.
type Sharing struct {
	Prefix string   // of actions in statements: "SQS"
	ID     string   // of a policy that has none, behind the ARN: "SQSDefaultPolicy"
	Shared []string // actions that can be given away
	Owner  []string // actions that stay with the owner
	// Everyone has "*" stand for all accounts.
	Everyone bool
	// The most of each; 0: no bound but that of policies.
	MaxStatements, MaxActions, MaxAccounts int
	MaxLabel                               int // characters of a label, at least 1
}

// PermissionProblem says what is wrong with a permission.
type PermissionProblem int

// Problems of AddPermission and RemovePermission, in the order in which they are
// looked for.
const (
	NoLabel           PermissionProblem = iota + 1 // a label is missing
	BadLabel                                       // Value is no label
	NoActions                                      // no action is named
	TooManyActions                                 // Count are
	NoAccounts                                     // no account is named
	TooManyAccounts                                // Count are
	OwnersAction                                   // Value cannot be given away
	UnknownAction                                  // Value is no action
	BadAccount                                     // Value is no account
	BadPolicy                                      // the policy that is there cannot be read
	LabelTaken                                     // the policy has a statement called Value
	TooManyStatements                              // it would get Count
	NoStatements                                   // the policy is empty: nothing to remove
	UnknownLabel                                   // the policy has no statement called Value
)

// PermissionError is a refusal of AddPermission or RemovePermission. A service
// puts it into its own words.
type PermissionError struct {
	Problem PermissionProblem
	Value   string // of the client, unbounded
	Count   int
}

// Error is for logs; clients get the service's own words.
func (e *PermissionError) Error() string { return "access: the permission is refused" }

// policyDocument is a policy taken apart as far as permissions need it; the
// statements stay as they were written.
type policyDocument struct {
	Version   string            `json:"Version,omitempty"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// permission is the statement that AddPermission writes.
type permission struct {
	Sid       string `json:"Sid"`
	Effect    string `json:"Effect"`
	Principal struct {
		AWS any `json:"AWS"`
	} `json:"Principal"`
	Action   any    `json:"Action"`
	Resource string `json:"Resource"`
}

// Check looks at what is asked for, before the resource's policy is. It returns a
// *PermissionError.
func (s *Sharing) Check(label string, accounts, actions []string) error {
	over := func(n, most int) bool { return most > 0 && n > most }
	switch {
	case label == "":
		return &PermissionError{Problem: NoLabel}
	case !IsToken(label, s.MaxLabel):
		return &PermissionError{Problem: BadLabel, Value: label}
	case len(actions) == 0:
		return &PermissionError{Problem: NoActions}
	case over(len(actions), s.MaxActions):
		return &PermissionError{Problem: TooManyActions, Count: len(actions)}
	case len(accounts) == 0:
		return &PermissionError{Problem: NoAccounts}
	case over(len(accounts), s.MaxAccounts):
		return &PermissionError{Problem: TooManyAccounts, Count: len(accounts)}
	}
	for _, a := range actions {
		switch {
		case slices.Contains(s.Owner, a):
			return &PermissionError{Problem: OwnersAction, Value: a}
		case !slices.Contains(s.Shared, a):
			return &PermissionError{Problem: UnknownAction, Value: a}
		}
	}
	for _, account := range accounts {
		if !IsAccount(account) && !(s.Everyone && account == "*") {
			return &PermissionError{Problem: BadAccount, Value: account}
		}
	}
	return nil
}

// Add gives policy (JSON, "" = none) a statement that lets accounts do actions on
// the resource arn; Check has approved of them. It returns the new policy, or a
// *PermissionError.
func (s *Sharing) Add(policy, arn, label string, accounts, actions []string) (string, error) {
	doc, err := s.read(policy, arn)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(doc.Statement, func(st json.RawMessage) bool { return sid(st) == label }) {
		return "", &PermissionError{Problem: LabelTaken, Value: label}
	}
	if n := len(doc.Statement) + 1; s.MaxStatements > 0 && n > s.MaxStatements {
		return "", &PermissionError{Problem: TooManyStatements, Count: n}
	}
	p := permission{Sid: label, Effect: "Allow", Resource: arn}
	roots, named := make([]string, len(accounts)), make([]string, len(actions))
	for i, account := range accounts {
		if roots[i] = account; account != "*" {
			roots[i] = Root(account).ARN
		}
	}
	for i, a := range actions {
		named[i] = s.Prefix + ":" + a
	}
	p.Principal.AWS, p.Action = oneOrMany(roots), oneOrMany(named)
	statement, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	doc.Statement = append(doc.Statement, statement)
	return doc.text()
}

// Remove takes the statement of that label out of policy. It returns the new
// policy, "" when nothing is left of it, or a *PermissionError.
func (s *Sharing) Remove(policy, label string) (string, error) {
	if label == "" {
		return "", &PermissionError{Problem: NoLabel}
	}
	doc, err := s.read(policy, "")
	if err != nil {
		return "", err
	}
	n := len(doc.Statement)
	if n == 0 {
		return "", &PermissionError{Problem: NoStatements, Value: label}
	}
	doc.Statement = slices.DeleteFunc(doc.Statement, func(st json.RawMessage) bool { return sid(st) == label })
	switch len(doc.Statement) {
	case n:
		return "", &PermissionError{Problem: UnknownLabel, Value: label}
	case 0:
		return "", nil
	}
	return doc.text()
}

// Statements counts the statements of a policy, 0 for what is none.
func Statements(policy string) int {
	doc, err := readDocument(policy)
	if err != nil {
		return 0
	}
	return len(doc.Statement)
}

func (s *Sharing) read(policy, arn string) (policyDocument, error) {
	if policy == "" {
		return policyDocument{Version: "2008-10-17", ID: arn + "/" + s.ID}, nil
	}
	doc, err := readDocument(policy)
	if err != nil {
		return doc, &PermissionError{Problem: BadPolicy}
	}
	return doc, nil
}

func readDocument(policy string) (policyDocument, error) {
	var doc policyDocument
	if json.Unmarshal([]byte(policy), &doc) == nil {
		return doc, nil
	}
	// A single statement need not stand in a list.
	var single struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(policy), &single); err != nil {
		return policyDocument{}, err
	}
	if single.Statement == nil {
		return policyDocument{}, errors.New("no statement")
	}
	return policyDocument{Version: single.Version, ID: single.ID, Statement: []json.RawMessage{single.Statement}}, nil
}

func (doc *policyDocument) text() (string, error) {
	b, err := json.Marshal(doc)
	return string(b), err
}

// sid is a statement's label, or "".
func sid(statement json.RawMessage) string {
	var s struct{ Sid string }
	_ = json.Unmarshal(statement, &s) // stored policies have been checked
	return s.Sid
}

// oneOrMany renders a list of one as the one, as AWS does.
func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}
