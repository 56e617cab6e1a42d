package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// negative is a value that looks like a short flag, such as -5s.
var negative = regexp.MustCompile(`^-\.?[0-9]`)

// arranged writes arguments as the parser wants them: none and "help" as --help,
// and a negative value with its flag, so that it is refused as a value.
func arranged(args []string) []string {
	if len(args) == 0 {
		return []string{"--help"}
	}
	if args[0] == "help" {
		return append(append([]string(nil), args[1:]...), "--help")
	}
	var out []string
	for i, a := range args {
		if i > 0 && negative.MatchString(a) && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=") {
			out[len(out)-1] += "=" + a
			continue
		}
		out = append(out, a)
	}
	return out
}

// parserWords are sentences of the parser that name its types.
var parserWords = []struct {
	of   *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`expected a valid [0-9]+ bit u?int but got (.*)$`), "has to be a whole number, not $1"},
	{regexp.MustCompile(`expected a valid [0-9]+ bit float but got (.*)$`), "has to be a number, not $1"},
	{regexp.MustCompile(`expected a float but got (".*?").*$`), "has to be a number, not $1"},
	{regexp.MustCompile(`expected duration but got (".*?").*$`), "has to be a duration such as 30s or 5m, not $1"},
	{regexp.MustCompile(`bool value must be true, 1, yes, false, 0 or no but got (.*)$`), "has to be true or false, not $1"},
	{regexp.MustCompile(`expected \S+ value but got ("-.*?").*$`), "has no value: $1 is another flag"},
}

// plain says an error of the parser in words for people.
func plain(err error, args []string) string {
	if file := (configFileError{}); errors.As(err, &file) {
		return file.Error()
	}
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "unexpected argument "); ok && len(args) > 0 && strings.HasPrefix(rest, args[0]) {
		return fmt.Sprintf("unknown command %q%s", args[0], strings.TrimPrefix(rest, args[0]))
	}
	for _, w := range parserWords {
		text = w.of.ReplaceAllString(text, w.text)
	}
	return text
}
