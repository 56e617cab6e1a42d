package journal

import "context"

// Rewrite signals when garbage outweighs what lives and the log is larger than RewriteFloor. The owner
// then takes records with Oldest, appends again what lives of them, and releases the old places. It is
// signalled again only after that made the log shorter, after there had been less garbage, or after Oldest
// failed.
func (j *Journal) Rewrite() <-chan struct{} { return j.rewrite }

// Oldest returns the records of the first appends that still have live items, whole appends until they
// reach maxBytes; at least one append if there is a durable one with something live. The owner decides per
// record what of it lives. The errors are those of Read.
func (j *Journal) Oldest(ctx context.Context, maxBytes int) ([]Stored, error) {
	durable := j.durable.Load()
	j.ring.advance(durable)
	var out []Stored
	for _, seq := range j.ring.oldest(durable, max(maxBytes, 1)) {
		data, err := j.load(ctx, seq)
		if err != nil {
			j.ring.retry()
			return nil, err
		}
		h, err := decode(seq, data, j.cfg.Writer)
		if err != nil {
			return nil, err
		}
		err = eachRecord(seq, data, h, func(pos Pos, rec []byte) error {
			out = append(out, Stored{Pos: pos, Rec: rec})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
