package constraint

import (
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	n := func(n int32) *int32 { return &n }
	for _, tt := range []struct {
		check func(*Problems)
		want  string
	}{
		{func(p *Problems) { p.Length("name", "ab", 1, 2) }, ""},
		{func(p *Problems) { p.Length("name", "é", 1, 1) }, ""},
		{func(p *Problems) { p.Length("name", "", 1, 2) }, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{func(p *Problems) { p.Length("name", "a", 2, 3) }, "1 validation error detected: Value 'a' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{func(p *Problems) { p.Length("name", "abc", 1, 2) }, "1 validation error detected: Value 'abc' at 'name' failed to satisfy constraint: Member must have length less than or equal to 2"},
		{func(p *Problems) { p.Pattern("name", "a-b", 1, 9, `[\w]*`, "") }, `1 validation error detected: Value 'a-b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w]*`},
		{func(p *Problems) { p.Pattern("name", "a-b_9Z", 1, 9, `[\w-]*`, "-") }, ""},
		{func(p *Problems) { p.Range("n", nil, 1, 2); p.Range("n", n(1), 1, 2); p.Range("n", n(2), 1, 2) }, ""},
		{func(p *Problems) { p.Range("n", n(0), 1, 2); p.Range("m", n(3), 1, 2) }, "2 validation errors detected: " +
			"Value '0' at 'n' failed to satisfy constraint: Member must have value greater than or equal to 1; " +
			"Value '3' at 'm' failed to satisfy constraint: Member must have value less than or equal to 2"},
		{func(p *Problems) { p.Enum("state", "", "A"); p.Enum("state", "B", "A", "B") }, ""},
		{func(p *Problems) { p.Enum("state", "C", "A", "B") }, "1 validation error detected: Value 'C' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"},
	} {
		var p Problems
		if tt.check(&p); p.Message() != tt.want {
			t.Errorf("got  %s\nwant %s", p.Message(), tt.want)
		}
	}
	var p Problems
	if p.Add("m", strings.Repeat("é", 5000), "x"); len(p.Message()) > 400 {
		t.Errorf("a long value is repeated: %d bytes", len(p.Message()))
	}
}
