package file

import (
	"bytes"

	"invigil/connectors"
)

// parser makes messages of lines. Its memory is used again for the next batch.
type parser struct {
	partition int32
	modified  int64 // the file's modification time, unix milliseconds; 0 unknown
	line      int64 // number of the last line
	skipTo    int64 // plain lines of lower numbers are passed over
	recorded  int64 // the time of the last kcat record, 0 = none so far

	messages []connectors.Message
	headers  []connectors.Header
	arena    []byte
	names    map[string]string
}

// batch is how many messages Read returns at most.
const batch = 4096

func (p *parser) reset() {
	p.messages, p.headers, p.arena = p.messages[:0], p.headers[:0], p.arena[:0]
	if cap(p.arena) > 8*chunk {
		p.arena = nil
	}
}

func (p *parser) full() bool { return len(p.messages) >= batch }

// add makes a message of a line. Blank lines count but are none.
func (p *parser) add(line []byte) {
	p.line++
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	mark, headers := len(p.arena), len(p.headers)
	if m, ok := p.record(line); ok {
		if m.Time > 0 {
			p.recorded = m.Time
		} else {
			m.Time, m.Inferred = p.guess(), true
		}
		p.messages = append(p.messages, m)
		return
	}
	p.arena, p.headers = p.arena[:mark], p.headers[:headers]
	if p.line < p.skipTo {
		return
	}
	p.messages = append(p.messages, connectors.Message{
		Partition: p.partition, Offset: p.line, Time: p.guess(), Inferred: true, Value: line[:len(line):len(line)],
	})
}

// guess is the time of a line that does not tell it.
func (p *parser) guess() int64 {
	if p.recorded > 0 {
		return p.recorded
	}
	return p.modified
}

// name returns a topic's or header's name as a string; the few there are are
// made once.
func (p *parser) name(b []byte) string {
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if p.names == nil || len(p.names) >= 256 {
		p.names = make(map[string]string)
	}
	p.names[s] = s
	return s
}

// collect takes whole lines off the buffer until it is empty or the batch full.
func (p *parser) collect(l *lines) {
	for !p.full() {
		line, ok := l.next()
		if !ok {
			return
		}
		p.add(line)
	}
}
