package syscollector

import (
	"errors"
	"strings"
)

// line reads one line as it left the manager, or what a shipper made of it;
// wrapped says that a shipper's object has been opened already. waiting means
// that it is a header whose message follows.
func (d *Decoder) line(t string, wrapped bool) (waiting bool, err error) {
	t = trimStart(t)
	for len(t) > 0 && (t[len(t)-1] == '\n' || t[len(t)-1] == '\r') {
		t = t[:len(t)-1]
	}
	switch {
	case t == "":
		return false, fail(ReasonEnvelope, "the value is empty")
	case t[0] == '{':
		return d.object(t, wrapped)
	case len(t) > 1 && t[1] == ':':
		d.drop()
		return false, d.queueLine(t)
	case isArchiveTime(t):
		d.drop()
		return d.archiveLine(t)
	}
	return d.tail(t, wrapped)
}

// trimStart cuts what may stand before a line: a byte order mark, blanks,
// control bytes.
func trimStart(t string) string {
	t = strings.TrimPrefix(t, "\ufeff")
	for len(t) > 0 && t[0] <= ' ' {
		t = t[1:]
	}
	return strings.TrimPrefix(t, "\ufeff")
}

// tail reads a line behind a text that a shipper wrote before it: time, host,
// tag. The first header or, if it parses, the first object counts.
func (d *Decoder) tail(t string, wrapped bool) (bool, error) {
	const tries = 4
	objects := 0
	for i := 1; i < len(t); i++ {
		switch before := t[i-1]; {
		case t[i] == '{':
			if objects++; objects > tries {
				return false, fail(ReasonEnvelope, "no message in %q", t)
			}
			waiting, err := d.object(t[i:], wrapped)
			if e := (*Error)(nil); !errors.As(err, &e) || e.Reason != ReasonJSON {
				return waiting, err
			}
		case before != ' ' && before != ':' && before != '\t':
		case isArchiveTime(t[i:]):
			d.drop()
			return d.archiveLine(t[i:])
		case isQueueHead(t[i:]):
			d.drop()
			return false, d.queueLine(t[i:])
		}
	}
	return false, fail(ReasonEnvelope, "no message in %q", t)
}

// isQueueHead reports whether a queue line of ours starts here.
func isQueueHead(t string) bool {
	return len(t) > 2 && (t[0] == 'd' || t[0] == '5') && t[1] == ':' &&
		(t[2] == '[' || strings.HasPrefix(t[2:], "syscollector:"))
}

// drop gives up a header that waits for its message.
func (d *Decoder) drop() {
	if len(d.pending) > 0 {
		d.dropped++
		d.pending = d.pending[:0]
	}
}

// object reads an object: a message, or one that wraps it.
func (d *Decoder) object(t string, wrapped bool) (waiting bool, err error) {
	if err := d.scanObject(t); err != nil {
		return false, err
	}
	if d.kind(topFullLog) == kindString {
		d.drop()
		return false, d.archived()
	}
	if typ := d.str(topType); typ != "" {
		if read := messageOf(typ); read.what != notOurs {
			return false, d.bare(t, read)
		}
	}
	if d.kind(topDataType) == kindString {
		d.drop()
		d.ev.Log = t
		return false, d.busMessage()
	}
	if !wrapped {
		if inner, ok := d.wrappedLine(); ok {
			return d.line(inner, true)
		}
	}
	switch {
	case d.kind(topCollector) == kindString && d.kind(topModule) == kindString:
		return false, fail(ReasonFormat5, "collector %q: the format of 5.x agents is not read", d.str(topCollector))
	case d.kind(topRule) == kindObject || d.kind(topDecoder) == kindObject:
		if loc := d.str(topLocation); loc != "" && !ourLocation(loc) {
			return false, fail(ReasonForeign, "location %q", loc)
		}
		return false, fail(ReasonLog, "an alert without full_log: its rule has the option no_full_log")
	case d.kind(topType) == kindString:
		return false, fail(ReasonType, "type %q", d.str(topType))
	}
	return false, fail(ReasonType, "the object has no text member type, full_log, message, event.original or log")
}

// scanObject scans the object that t starts with and notes the members that
// say something; of several of one name the first counts.
func (d *Decoder) scanObject(t string) error {
	if !d.json.object(t) {
		if d.json.over {
			return fail(ReasonTooLarge, "more than %d members", maxNodes)
		}
		return fail(ReasonJSON, "at byte %d of %q", d.json.pos, t)
	}
	d.nodes = [numTop]int32{}
	at, end := 0, d.json.nodes[0].next
	for i := int32(1); i < end; i = d.json.nodes[i].next {
		if e := d.top.find(d.json.nodes[i].key, &at); e != noEntry && d.nodes[e] == 0 {
			d.nodes[e] = i
		}
	}
	return nil
}

// node returns the noted member, nil if there is none.
func (d *Decoder) node(top int) *node {
	if i := d.nodes[top]; i != 0 {
		return &d.json.nodes[i]
	}
	return nil
}

func (d *Decoder) kind(top int) kind {
	if n := d.node(top); n != nil {
		return n.kind
	}
	return kindAbsent
}

// str returns the text of a noted member that is a string, else "".
func (d *Decoder) str(top int) string {
	if n := d.node(top); n != nil && n.kind == kindString {
		return n.text
	}
	return ""
}

// childAt returns the position of an object's member by its exact name, 0 if
// there is none.
func (d *Decoder) childAt(object int32, key string) int32 {
	ns := d.json.nodes
	if object == 0 || ns[object].kind != kindObject {
		return 0
	}
	for i := object + 1; i < ns[object].next; i = ns[i].next {
		if ns[i].key == key {
			return i
		}
	}
	return 0
}

// child returns an object's member by its exact name, nil if there is none.
func (d *Decoder) child(object int32, key string) *node {
	if i := d.childAt(object, key); i != 0 {
		return &d.json.nodes[i]
	}
	return nil
}

// childStr returns the text of a member that is a string, else "".
func (d *Decoder) childStr(object int32, key string) string {
	if n := d.child(object, key); n != nil && n.kind == kindString {
		return n.text
	}
	return ""
}

// wrappedLine returns the line that a shipper's object carries.
func (d *Decoder) wrappedLine() (string, bool) {
	for _, top := range [...]int{topMessage, topEventOriginal} {
		if d.kind(top) == kindString {
			return d.str(top), true
		}
	}
	if n := d.child(d.nodes[topEvent], "original"); n != nil && n.kind == kindString {
		return n.text, true
	}
	return d.str(topLog), d.kind(topLog) == kindString
}

// archived reads an object of archives.json or alerts.json.
func (d *Decoder) archived() error {
	loc := d.str(topLocation)
	if loc != "" && !ourLocation(loc) {
		return fail(ReasonForeign, "location %q", loc)
	}
	if name := d.childStr(d.nodes[topDecoder], "name"); loc == "" && name != "" && name != syscollectorName {
		return fail(ReasonForeign, "decoder %q", name)
	}
	if t, ok := parseTimestamp(d.str(topTimestamp)); ok {
		d.ev.Time = t
	}
	d.agentObject()
	text := d.str(topFullLog)
	body := trimStart(text)
	if body == "" || body[0] != '{' {
		return fail(ReasonJSON, "full_log is %q", text)
	}
	if err := d.scanObject(body); err != nil {
		return err
	}
	d.ev.Log = text
	return d.message()
}

// bare reads a message that stands alone, or behind the header that waits for
// it.
func (d *Decoder) bare(t string, m messageKind) error {
	if len(d.pending) > 0 {
		head := d.mem.copy(d.pending)
		d.pending = d.pending[:0]
		if _, _, err := d.archiveHead(head); err != nil {
			return err
		}
	}
	d.agentObject()
	d.ev.Log = t
	return d.read(m)
}
