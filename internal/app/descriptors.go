package app

// ownDescriptors are those that the process needs besides its clients'
// connections: logs, files of the embedded NATS, connections to another one, and
// what is kept in reserve.
func (a *App) ownDescriptors() uint64 {
	return 256 + 4*uint64(a.cfg.Partitions) + reserved + spareFiles
}

// maxConnections is the configured bound, or what the process's limit on
// descriptors leaves of it; then the log says so.
func (a *App) maxConnections() int {
	limit, ok := descriptorLimit()
	n, low := connectionsWithin(a.cfg.MaxConnections, limit, a.ownDescriptors())
	if ok && low {
		a.log.Warn("the limit on file descriptors is below --max-connections: raise it (ulimit -n, LimitNOFILE) or lower --max-connections",
			keyService, "http", "descriptors", limit, "max_connections", a.cfg.MaxConnections, "connections_now", n)
		return n
	}
	return a.cfg.MaxConnections
}

// connectionsWithin is how many of want connections a limit on descriptors leaves
// room for when others need own of them; low says that these are fewer. At least a
// quarter of the limit goes to clients.
func connectionsWithin(want int, limit, own uint64) (n int, low bool) {
	room := max(limit-min(own, limit), limit/4, 1)
	if uint64(want) <= room {
		return want, false
	}
	return int(room), true
}
