// Command inprocess measures the partition API without HTTP: the very service
// that a server runs, over the embedded log with fsync on every append, in a
// temporary folder.
//
//	go run ./bench/inprocess throughput   # sends, receives, deletes from 1, 64 and 256 callers
//	go run ./bench/inprocess depth        # receive cost at 1,000 and 1,000,000 deep, and behind a blocked FIFO group
//	go run ./bench/inprocess memory       # resident memory and replay of a million messages
//	go run ./bench/inprocess queues       # a million queues made, used once, drained, and a restart with them
//	go run ./bench/inprocess endpoints    # pushes to a thousand endpoints, some of them dead or slow
//	go run ./bench/inprocess publish      # a topic with a hundred queues against plain sends
//	go run ./bench/inprocess rules        # events against ten rules and ten thousand
//	go run ./bench/inprocess schedules    # a million that wait, and ten thousand due in one second
//
// Each prints a table; -json prints one JSON object a line instead. The folder
// must lie on a real disk: fsync on tmpfs costs nothing and flatters.
package main
