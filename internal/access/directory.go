package access

import (
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/access/oidc"
)

// directory is who there is: keys, roles and identity providers. It is immutable:
// a change makes a new one.
type directory struct {
	keys      map[string]*holder
	roles     map[string]*Role // by ARN
	providers map[providerKey]*provider
}

// holder is a credential with its principal made up beforehand.
type holder struct {
	secret    string
	principal Principal
}

type providerKey struct{ account, issuer string }

// provider is a Provider that is asked.
type provider struct {
	arn    string
	issuer *oidc.Issuer
}

func newDirectory(who people, now func() time.Time) (*directory, error) {
	d := &directory{
		keys: make(map[string]*holder, len(who.keys)), roles: make(map[string]*Role, len(who.roles)),
		providers: make(map[providerKey]*provider, len(who.providers)),
	}
	for _, c := range who.keys {
		if err := c.check(); err != nil {
			return nil, err
		}
		if _, ok := d.keys[c.Key]; ok {
			return nil, fmt.Errorf("key %s: given twice", c.Key)
		}
		p := userPrincipal(c.Account, c.User)
		p.Key, p.Policy = c.Key, c.Policy
		d.keys[c.Key] = &holder{secret: c.Secret, principal: p}
	}
	for _, r := range who.roles {
		if err := r.check(); err != nil {
			return nil, err
		}
		if _, ok := d.roles[r.ARN()]; ok {
			return nil, fmt.Errorf("role %s of account %s: given twice", r.Name, r.Account)
		}
		d.roles[r.ARN()] = &r
	}
	for _, p := range who.providers {
		if err := p.check(); err != nil {
			return nil, err
		}
		key := providerKey{p.Account, p.Issuer}
		if _, ok := d.providers[key]; ok {
			return nil, fmt.Errorf("issuer %s of account %s: given twice", p.Issuer, p.Account)
		}
		issuer, err := p.open(now)
		if err != nil {
			return nil, err
		}
		d.providers[key] = &provider{arn: p.ARN(), issuer: issuer}
	}
	return d, nil
}
