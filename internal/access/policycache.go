package access

import "sync"

// maxPolicies and maxPolicyText bound the cache of parsed policies, the latter by
// the bytes of their text: parsed, a policy can be a dozen times as large. A resource
// has one; when there are more it starts anew.
const (
	maxPolicies   = 1024
	maxPolicyText = 4 << 20
)

// policyCache keeps parsed resource policies by their text.
type policyCache struct {
	mu     sync.RWMutex // guards what follows
	parsed map[string]*Policy
	size   int // bytes of text
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
	if c.parsed[text] != nil {
		return policy, nil // another has put it here meanwhile
	}
	if c.parsed == nil || len(c.parsed) >= maxPolicies || c.size+len(text) > maxPolicyText {
		c.parsed, c.size = make(map[string]*Policy), 0
	}
	c.parsed[text] = policy
	c.size += len(text)
	return policy, nil
}
