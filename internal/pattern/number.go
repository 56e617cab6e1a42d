package pattern

// Numbers are compared as whole millionths, as EventBridge documents: between
// -5e9 and 5e9 with six decimals. 64 bits hold them exactly.
const (
	decimals  = 6
	maxMicros = 5_000_000_000 * 1_000_000
)

// micros gives the value of a JSON number in millionths. ok is false for numbers
// that are out of range or have more than six decimals: these are equal to numbers
// of the same text only.
func micros(text []byte) (v int64, ok bool) {
	i, neg := 0, false
	if len(text) > 0 && text[0] == '-' {
		i, neg = 1, true
	}
	scale, zeros, point := 0, 0, false
	digits := 0
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		if point {
			scale++
		}
		if c == '0' { // counted only once another digit follows
			zeros++
			continue
		}
		for ; zeros > 0 && v > 0; zeros-- {
			if digits++; digits > 18 {
				return 0, false
			}
			v *= 10
		}
		zeros = 0
		if digits++; digits > 18 {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if v == 0 {
		return 0, true
	}
	shift := exponent(text[i:]) + zeros - scale + decimals
	if shift < 0 || shift > 16 {
		return 0, false
	}
	for ; shift > 0; shift-- {
		if v *= 10; v > maxMicros {
			return 0, false
		}
	}
	if v > maxMicros {
		return 0, false
	}
	if neg {
		v = -v
	}
	return v, true
}

// exponent reads "e-5"; what is far out of range stays so.
func exponent(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	n, neg := 0, text[1] == '-'
	for _, c := range text[1:] {
		if '0' <= c && c <= '9' && n < 1_000_000_000 {
			n = n*10 + int(c-'0')
		}
	}
	if neg {
		return -n
	}
	return n
}
