package bench

import (
	"bytes"
	"errors"
	"strings"
)

// message is what the load generator needs of a received message. The slices
// hold the raw contents of JSON strings (escapes kept), so that they can be
// copied into the next request as they are; they alias the answer.
type message struct {
	receipt, body []byte
}

var errJSON = errors.New("answer is not the JSON that was expected")

const maxNesting = 64

// scanner walks over a JSON text without building anything.
type scanner struct {
	b   []byte
	pos int
}

func (s *scanner) space() {
	for s.pos < len(s.b) {
		switch s.b[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// next skips white space and takes c if it comes next.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.pos < len(s.b) && s.b[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// text takes a string and returns what stands between its quotes.
func (s *scanner) text() ([]byte, error) {
	if !s.next('"') {
		return nil, errJSON
	}
	start := s.pos
	for {
		i := bytes.IndexByte(s.b[s.pos:], '"')
		if i < 0 {
			return nil, errJSON
		}
		end := s.pos + i
		escapes := 0
		for k := end - 1; k >= start && s.b[k] == '\\'; k-- {
			escapes++
		}
		s.pos = end + 1
		if escapes%2 == 0 {
			return s.b[start:end], nil
		}
	}
}

// skip takes any value.
func (s *scanner) skip(depth int) error {
	s.space()
	if s.pos >= len(s.b) || depth > maxNesting {
		return errJSON
	}
	switch c := s.b[s.pos]; c {
	case '"':
		_, err := s.text()
		return err
	case '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case '[':
		return s.array(func() error { return s.skip(depth + 1) })
	default:
		start := s.pos
		for s.pos < len(s.b) && strings.IndexByte(",]} \t\r\n", s.b[s.pos]) < 0 {
			s.pos++
		}
		if s.pos == start {
			return errJSON
		}
		return nil
	}
}

// object takes an object; member must take the value of the named member.
func (s *scanner) object(member func(name []byte) error) error {
	if !s.next('{') {
		return errJSON
	}
	if s.next('}') {
		return nil
	}
	for {
		name, err := s.text()
		if err != nil {
			return err
		}
		if !s.next(':') {
			return errJSON
		}
		if err := member(name); err != nil {
			return err
		}
		if s.next('}') {
			return nil
		}
		if !s.next(',') {
			return errJSON
		}
	}
}

// array takes an array; element must take one element.
func (s *scanner) array(element func() error) error {
	if !s.next('[') {
		return errJSON
	}
	if s.next(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.next(']') {
			return nil
		}
		if !s.next(',') {
			return errJSON
		}
	}
}

// scanMessages appends the messages of a ReceiveMessage answer to dst.
func scanMessages(dst []message, answer []byte) ([]message, error) {
	s := scanner{b: answer}
	err := s.object(func(name []byte) error {
		if string(name) != "Messages" || s.null() {
			return s.skip(0)
		}
		return s.array(func() error {
			var m message
			err := s.object(func(name []byte) (err error) {
				switch string(name) {
				case "ReceiptHandle":
					m.receipt, err = s.text()
				case "Body":
					m.body, err = s.text()
				default:
					err = s.skip(0)
				}
				return err
			})
			dst = append(dst, m)
			return err
		})
	})
	return dst, err
}

// null says whether a null comes next; it does not take it.
func (s *scanner) null() bool {
	s.space()
	return bytes.HasPrefix(s.b[s.pos:], []byte("null"))
}

// scanFailed counts the entries under "Failed" of a batch answer and returns
// the code of the first.
func scanFailed(answer []byte) (n int, code string, err error) {
	s := scanner{b: answer}
	err = s.object(func(name []byte) error {
		if string(name) != "Failed" || s.null() {
			return s.skip(0)
		}
		return s.array(func() error {
			n++
			return s.object(func(name []byte) error {
				if string(name) != "Code" {
					return s.skip(0)
				}
				text, err := s.text()
				if code == "" {
					code = string(text)
				}
				return err
			})
		})
	})
	return n, code, err
}

// scanErrorType returns the error code of a JSON error answer: what follows the
// "#" in its "__type". It returns "" if there is none.
func scanErrorType(answer []byte) string {
	var code string
	s := scanner{b: answer}
	s.object(func(name []byte) error {
		if string(name) != "__type" {
			return s.skip(0)
		}
		text, err := s.text()
		if i := bytes.LastIndexByte(text, '#'); i >= 0 {
			text = text[i+1:]
		}
		code = string(text)
		return err
	})
	return code
}
