package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// A message's body starts with what the receiver needs, in fixed places, and is
// padded to the wanted size:
//
//	1733333333333333333 000000000042 0007 kq3V…
//	sent, Unix ns       number       group
const (
	stampDigits  = 19
	numberDigits = 12
	groupDigits  = 4
	smallest     = stampDigits + 1 + numberDigits + 1 + groupDigits + 1
	largest      = 1 << 20
)

// filler is text that needs no JSON escapes and does not compress well; the
// same in every run.
var filler = func() []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, largest)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return b
}()

func appendDigits(b []byte, n uint64, width int) []byte {
	start := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := start + width - 1; i >= start; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// appendBody appends a message body of the given size.
func appendBody(b []byte, size int, sent time.Time, number uint64, group int) []byte {
	b = appendDigits(b, uint64(sent.UnixNano()), stampDigits)
	b = append(b, ' ')
	b = appendDigits(b, number, numberDigits)
	b = append(b, ' ')
	b = appendDigits(b, uint64(group), groupDigits)
	b = append(b, ' ')
	return append(b, filler[:max(0, size-smallest)]...)
}

// readBody is the inverse of appendBody.
func readBody(b []byte) (sent time.Time, number uint64, group int, err error) {
	if len(b) < smallest {
		return time.Time{}, 0, 0, errForeign
	}
	ns, err1 := strconv.ParseInt(string(b[:stampDigits]), 10, 64)
	b = b[stampDigits+1:]
	number, err2 := strconv.ParseUint(string(b[:numberDigits]), 10, 64)
	b = b[numberDigits+1:]
	g, err3 := strconv.Atoi(string(b[:groupDigits]))
	if err1 != nil || err2 != nil || err3 != nil {
		return time.Time{}, 0, 0, errForeign
	}
	return time.Unix(0, ns), number, g, nil
}

var errForeign = fmt.Errorf("a message of another sender was received: does something else use the queue?")

// The builders below write request bodies. queue is a queue URL as JSON text
// without quotes.

func appendSend(b []byte, queue string, size int, sent time.Time, number uint64, group int, fifo bool) []byte {
	b = append(b, `{"QueueUrl":"`...)
	b = append(b, queue...)
	b = append(b, `","MessageBody":"`...)
	b = appendBody(b, size, sent, number, group)
	b = append(b, '"')
	b = appendFIFO(b, number, group, fifo)
	return append(b, '}')
}

func appendFIFO(b []byte, number uint64, group int, fifo bool) []byte {
	if !fifo {
		return b
	}
	b = append(b, `,"MessageGroupId":"g`...)
	b = appendDigits(b, uint64(group), groupDigits)
	b = append(b, `","MessageDeduplicationId":"g`...)
	b = appendDigits(b, uint64(group), groupDigits)
	b = append(b, '-')
	b = appendDigits(b, number, numberDigits)
	return append(b, '"')
}

// appendSendBatch asks next for each message's number and group.
func appendSendBatch(b []byte, queue string, n, size int, sent time.Time, fifo bool, next func() (uint64, int)) []byte {
	b = append(b, `{"QueueUrl":"`...)
	b = append(b, queue...)
	b = append(b, `","Entries":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		number, group := next()
		b = append(b, `{"Id":"`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `","MessageBody":"`...)
		b = appendBody(b, size, sent, number, group)
		b = append(b, '"')
		b = appendFIFO(b, number, group, fifo)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

func appendReceive(b []byte, queue string, n, wait int) []byte {
	b = append(b, `{"QueueUrl":"`...)
	b = append(b, queue...)
	b = append(b, `","MaxNumberOfMessages":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `,"WaitTimeSeconds":`...)
	b = strconv.AppendInt(b, int64(wait), 10)
	return append(b, '}')
}

func appendDelete(b []byte, queue string, m message) []byte {
	b = append(b, `{"QueueUrl":"`...)
	b = append(b, queue...)
	b = append(b, `","ReceiptHandle":"`...)
	b = append(b, m.receipt...)
	return append(b, `"}`...)
}

func appendDeleteBatch(b []byte, queue string, list []message) []byte {
	b = append(b, `{"QueueUrl":"`...)
	b = append(b, queue...)
	b = append(b, `","Entries":[`...)
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"Id":"`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `","ReceiptHandle":"`...)
		b = append(b, m.receipt...)
		b = append(b, `"}`...)
	}
	return append(b, `]}`...)
}

func appendVisibility(b []byte, queue string, m message, seconds int) []byte {
	b = append(b, `{"QueueUrl":"`...)
	b = append(b, queue...)
	b = append(b, `","ReceiptHandle":"`...)
	b = append(b, m.receipt...)
	b = append(b, `","VisibilityTimeout":`...)
	b = strconv.AppendInt(b, int64(seconds), 10)
	return append(b, '}')
}
