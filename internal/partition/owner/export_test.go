package owner

// Admitted is the account of the requests that wait for the log.
func (o *Owner) Admitted() (requests, bytes int64) { return o.admitted.Load(), o.admittedBytes.Load() }
