package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// fakeSQS is a queue service just good enough to drive the load generator:
// in-memory lists, receipt handles that are the message's number.
type fakeSQS struct {
	mu     sync.Mutex
	queues map[string]*fakeQueue
	wake   chan struct{} // closed and replaced on every send
	// fail, if set, decides on an error answer.
	fail func(operation string) (status int, body string)
	// seen receives every request's headers if set.
	seen func(r *http.Request, body []byte)
}

type fakeQueue struct {
	fifo    bool
	next    int
	waiting []fakeMessage
	flight  map[string]fakeMessage
}

type fakeMessage struct{ handle, body, group string }

func newFake() *fakeSQS {
	return &fakeSQS{queues: map[string]*fakeQueue{}, wake: make(chan struct{})}
}

type fakeIn struct {
	QueueName, QueueUrl, MessageBody, MessageGroupId, ReceiptHandle, Id string
	Attributes                                                          map[string]string
	MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout             int
	Entries                                                             []fakeIn
}

func (f *fakeSQS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if f.seen != nil {
		f.seen(r, body)
	}
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), targetStart)
	w.Header().Set("Content-Type", contentType)
	if f.fail != nil {
		if status, text := f.fail(op); status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, text)
			return
		}
	}
	var in fakeIn
	if err := json.Unmarshal(body, &in); err != nil {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#SerializationException"}`)
		return
	}
	answer := f.answer(r, op, in)
	if answer == nil {
		w.WriteHeader(400)
		io.WriteString(w, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}`)
		return
	}
	json.NewEncoder(w).Encode(answer)
}

func (f *fakeSQS) answer(r *http.Request, op string, in fakeIn) any {
	type object = map[string]any
	if op == "CreateQueue" {
		f.mu.Lock()
		defer f.mu.Unlock()
		url := "http://" + r.Host + "/000000000000/" + in.QueueName
		f.queues[url] = &fakeQueue{fifo: in.Attributes["FifoQueue"] == "true", flight: map[string]fakeMessage{}}
		return object{"QueueUrl": url}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queues[in.QueueUrl]
	if q == nil {
		return nil
	}
	switch op {
	case "DeleteQueue":
		delete(f.queues, in.QueueUrl)
		return object{}
	case "SendMessage":
		f.send(q, in)
		return object{"MessageId": "1", "MD5OfMessageBody": "x"}
	case "SendMessageBatch":
		for _, e := range in.Entries {
			f.send(q, e)
		}
		return object{"Successful": []object{{"Id": "0"}}}
	case "ReceiveMessage":
		got := q.receive(in.MaxNumberOfMessages)
		for limit := time.After(time.Duration(in.WaitTimeSeconds) * time.Second); len(got) == 0 && in.WaitTimeSeconds > 0; got = q.receive(in.MaxNumberOfMessages) {
			wake := f.wake
			f.mu.Unlock()
			over := false
			select {
			case <-wake:
			case <-limit:
				over = true
			case <-r.Context().Done():
				over = true
			}
			f.mu.Lock()
			if over {
				break
			}
		}
		list := []object{}
		for _, m := range got {
			list = append(list, object{"MessageId": m.handle, "ReceiptHandle": m.handle, "Body": m.body})
		}
		return object{"Messages": list}
	case "DeleteMessage":
		delete(q.flight, in.ReceiptHandle)
		f.signal()
		return object{}
	case "DeleteMessageBatch":
		for _, e := range in.Entries {
			delete(q.flight, e.ReceiptHandle)
		}
		f.signal()
		return object{"Successful": []object{}, "Failed": []object{}}
	case "ChangeMessageVisibility":
		if m, ok := q.flight[in.ReceiptHandle]; ok {
			delete(q.flight, m.handle)
			q.waiting = append(q.waiting, m)
		}
		f.signal()
		return object{}
	}
	return nil
}

func (f *fakeSQS) signal() {
	close(f.wake)
	f.wake = make(chan struct{})
}

func (f *fakeSQS) send(q *fakeQueue, in fakeIn) {
	q.next++
	q.waiting = append(q.waiting, fakeMessage{fmt.Sprintf("h%d", q.next), in.MessageBody, in.MessageGroupId})
	f.signal()
}

func (q *fakeQueue) receive(n int) (got []fakeMessage) {
	closed := map[string]bool{}
	if q.fifo {
		for _, m := range q.flight {
			closed[m.group] = true
		}
	}
	for i := 0; i < len(q.waiting) && len(got) < n; {
		if m := q.waiting[i]; closed[m.group] {
			i++
		} else {
			got = append(got, m)
			q.waiting = slices.Delete(q.waiting, i, i+1)
		}
	}
	for _, m := range got {
		q.flight[m.handle] = m
	}
	return got
}
