package access

import "sync"

// maxPolicies bounds the cache of parsed policies. A resource has one; when there
// are more it starts anew.
const maxPolicies = 1024

// policyCache keeps parsed resource policies by their text.
type policyCache struct {
	mu     sync.RWMutex // guards parsed
	parsed map[string]*Policy
}

// get parses text, or has it parsed already. Without text there is no policy.
func (c *policyCache) get(text string) (*Policy, error) {
	if text == "" {
		return nil, nil
	}
	c.mu.RLock()
	policy, ok := c.parsed[text]
	c.mu.RUnlock()
	if ok {
		return policy, nil
	}
	policy, err := ParsePolicy([]byte(text), Resource)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil || len(c.parsed) >= maxPolicies {
		c.parsed = make(map[string]*Policy)
	}
	c.parsed[text] = policy
	return policy, nil
}
