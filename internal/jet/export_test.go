package jet

// Restart stops the embedded server of c and starts it again.
func Restart(c *Conn) error { return c.embedded.restart() }
