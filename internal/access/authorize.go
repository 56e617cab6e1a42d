package access

// Authorize tells whether p may do action ("sqs:SendMessage") on a resource that
// belongs to resourceAccount and has resourcePolicy (nil: none). Context has
// condition keys, see Request; nil will do where no policy is involved.
//
//   - An explicit Deny of either policy is final.
//   - In the own account: the identity policy (nil allows everything) or the
//     resource's policy must allow.
//   - In another account: the resource's policy must allow, and so must the
//     identity policy if there is one.
//   - An anonymous caller: the resource's policy must allow.
//
// It returns nil or an *Error, and allocates nothing if both policies are nil and
// the account is the caller's.
func (a *Access) Authorize(p Principal, action, resourceARN, resourceAccount string, resourcePolicy *Policy, context map[string]string) error {
	same := !p.Anonymous && p.Account == resourceAccount
	if same && p.Policy == nil && resourcePolicy == nil {
		return nil
	}
	r := Request{Principal: p.ARN, Action: action, Resource: resourceARN, Context: context}
	identity := Allow
	if p.Policy != nil {
		identity, _ = p.Policy.evaluate(&r, p.UserID)
	}
	resource, direct := resourcePolicy.evaluate(&r, p.UserID)
	switch {
	case identity == Deny:
		return denied(p, action, resourceARN, "with an explicit deny in an identity-based policy")
	case resource == Deny:
		return denied(p, action, resourceARN, "with an explicit deny in a resource-based policy")
	case p.Anonymous:
		if resource == Allow {
			return nil
		}
		return ErrMissingToken
	case same:
		// What a resource grants to the account as a whole, the account's own
		// identity policies still govern.
		if identity == Allow || resource == Allow && direct {
			return nil
		}
		return denied(p, action, resourceARN, "because no identity-based policy allows the "+action+" action")
	case resource != Allow:
		return denied(p, action, resourceARN, "because no resource-based policy allows the "+action+" action")
	case identity != Allow:
		return denied(p, action, resourceARN, "because no identity-based policy allows the "+action+" action")
	}
	return nil
}

func denied(p Principal, action, resource, why string) error {
	who := p.ARN
	if p.Anonymous {
		who = "anonymous"
	}
	return &Error{Code: ErrAccessDenied.Code, Status: ErrAccessDenied.Status,
		Message: "User: " + who + " is not authorized to perform: " + action + " on resource: " + resource + " " + why}
}
