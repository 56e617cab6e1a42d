// Package egress sends HTTP requests to addresses that others have named: endpoints of
// subscriptions, targets of rules, token servers. Whoever may name an address may not
// reach by it what only this machine can reach, hold up others, or fill its memory.
//
//   - Rules say which addresses may be reached. They are asked about the address that is
//     dialled, after its name was resolved, so a name that resolves to something else
//     each time gains nothing. What only machines nearby can reach is refused unless the
//     rules open it.
//   - Every request has a time limit, and an answer as much room as Config says. Of an
//     answer that is only looked at the beginning is read; one that comes byte by byte
//     holds up nobody.
//   - A redirect is followed only where nothing of the request gets to somebody else:
//     to the same host, with the same method and body.
//   - Connections are kept and used again, HTTP/2 where the server speaks it. How many
//     there are to one host is bounded.
//   - No proxy is used whatever the environment says, no cookie is kept, no compressed
//     answer is unpacked.
package egress
