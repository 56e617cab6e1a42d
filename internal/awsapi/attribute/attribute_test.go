package attribute

import "testing"

func TestIsNumber(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"0": true, "-1": true, "+1.5": true, ".5": true, "5.": true, "1e10": true, "1E-7": true, "00012": true,
		"1234567890123456789012345678901234567890": true,
		"": false, "-": false, ".": false, "1e": false, "e5": false, "1.2.3": false, "0x1f": false, " 1": false, "1 ": false,
		"NaN": false, "Infinity": false, "١": false, "--1": false,
	} {
		if got := isNumber(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
