package characters

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// naive is Bad one rune at a time.
func naive(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		ok := r == 9 || r == 10 || r == 13 || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
		if r == utf8.RuneError && n == 1 {
			ok = false
		}
		if !ok {
			return i
		}
		i += n
	}
	return -1
}

func TestBad(t *testing.T) {
	t.Parallel()
	tests := []struct {
		s    string
		want int
	}{
		{"", -1},
		{"hello", -1},
		{"tab\there\r\nlines", -1},
		{"grüße, 世界, 🚀, \ufffd \ue000 \ud7ff \U0010ffff \x7f", -1},
		{"12345678\x00", 8},
		{"1234567\x0b9", 7},
		{"\x1f", 0},
		{"1234567890123456\x1e", 16},
		{"ab\uffff", 2},
		{"ab\ufffe", 2},
		{"ab\xff", 2},
		{"ab\xed\xa0\x80", 2}, // a surrogate
		{"ab\xc3", 2},
	}
	for _, tt := range tests {
		if got := Bad(tt.s); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.s, got, tt.want)
		}
		long := strings.Repeat("x", 1000) + tt.s
		if got := Bad(long); tt.want >= 0 && got != tt.want+1000 || tt.want < 0 && got >= 0 {
			t.Errorf("%q behind 1000: %d", tt.s, got)
		}
	}
}

func FuzzBad(f *testing.F) {
	for _, s := range []string{"hello world, hello", "\x00", "12345678\x1f\x20", "\uffff", "\xed\xa0\x80", "é\x01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := Bad(s), naive(s); got != want {
			t.Fatalf("%q: %d, want %d", s, got, want)
		}
		if i := Bad(s); i >= 0 && !strings.HasPrefix(Spell(s, i), "#x") {
			t.Fatalf("%q: %q", s, Spell(s, i))
		}
	})
}

func TestID(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"": false, "a": true, "!~": true, "a b": false, "a\t": false, "é": false, "a\x7f": false,
		strings.Repeat("a", MaxID): true, strings.Repeat("a", MaxID+1): false,
	} {
		if ID(s) != want {
			t.Errorf("%.20q: %v, want %v", s, !want, want)
		}
	}
}
