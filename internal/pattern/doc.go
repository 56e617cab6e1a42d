// Package pattern matches events against the event patterns of EventBridge and the
// filter policies of SNS.
//
// A pattern is compiled into branches ($or gives more than one), a branch being
// fields with alternatives. An event is read into the leaves that some
// rule looks at; subtrees that no rule looks at are skipped, and no tree of the event
// is made. Names are cut at dots, so {"a.b": 1} and {"a": {"b": 1}} are one field, as
// in the services. Each leaf remembers the array elements that it lies in: the values
// that satisfy a branch have to lie in the same elements of the arrays they share.
//
// Set finds the patterns that match without trying all. In its index a branch stands
// under the one field whose values the fewest other branches ask for: in hash tables
// for exact values, numbers and addresses, by length and text for beginnings and ends
// (a wildcard stands under its beginning or its end), in an interval tree for numeric
// ranges. Operators that say little (anything-but, exists, blocks of addresses,
// wildcards open at both ends) stand under the presence of their field, and only if
// their branch has nothing better. Where more than 8 branches share a place, another
// of their fields tells them apart. What an event leads to is then checked in full.
// So an event costs its own reading, and the rules that nearly match it.
//
// Indexes are immutable. A set keeps one for each size class (16, 256, 4,096 …
// patterns): adding rebuilds the smallest, and now and then merges classes, so that
// readers need no lock. A removed pattern is marked, and dropped at a later rebuild.
// Each index numbers the fields for itself, so the event is read once for each size
// class in use: up to 4 times with 65,536 patterns.
//
// Numbers are compared exactly, as whole millionths between -5e9 and 5e9; others are
// equal to numbers of the same text only. So 1, 1.0 and 1e0 are equal, and the string
// "1" is none of them.
package pattern
