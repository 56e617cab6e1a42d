package protocol

import (
	"fmt"
	"io"
	"strings"
)

// WriteTable writes the API's operations as a Markdown table, for
// docs/compatibility.md.
func (a *API) WriteTable(w io.Writer) error {
	if _, err := fmt.Fprint(w, "| Operation | Status | Notes |\n|---|---|---|\n"); err != nil {
		return err
	}
	for i := range a.Operations {
		op := &a.Operations[i]
		note := strings.NewReplacer("|", `\|`, "\n", " ").Replace(op.Note)
		if _, err := fmt.Fprintf(w, "| %s | %s | %s |\n", op.Name, op.Status, note); err != nil {
			return err
		}
	}
	return nil
}
