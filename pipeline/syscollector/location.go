package syscollector

import (
	"strings"
	"time"
)

// queueLine reads an analysis queue line: queue, location, message.
func (d *Decoder) queueLine(t string) error {
	if t[0] != 'd' && t[0] != '5' {
		return fail(ReasonQueue, "queue %q", t[:1])
	}
	loc, body, ok := d.splitQueue(t[2:])
	if !ok {
		return fail(ReasonLocation, "no colon ends the location in %q", t)
	}
	stored := loc
	if strings.HasPrefix(loc, "[") {
		id, rest, ok := strings.Cut(loc[1:], "] ")
		if !ok || id == "" {
			return fail(ReasonLocation, "no agent id in location %q", loc)
		}
		d.ev.Agent.ID, stored = id, rest
	}
	if !ourLocation(stored) {
		if strings.Contains(stored, "->") {
			return fail(ReasonForeign, "location %q", loc)
		}
		return fail(ReasonLocation, "location %q", loc)
	}
	d.ev.Location = stored
	if stored == syscollectorName {
		if d.ev.Agent.ID == "" {
			d.ev.Agent.ID = managerID
		}
	} else {
		d.ev.Agent.Name, d.ev.Agent.IP = splitLocation(stored)
	}
	if err := d.bodyOf(body); err != nil {
		return err
	}
	if t[0] == '5' {
		d.ev.Visible = false
	}
	return nil
}

// bodyOf reads the message behind a header.
func (d *Decoder) bodyOf(t string) error {
	body := trimStart(t)
	if body == "" || body[0] != '{' {
		return fail(ReasonJSON, "the message is %q", t)
	}
	if err := d.scanObject(body); err != nil {
		return err
	}
	d.ev.Log = t
	return d.message()
}

// splitQueue cuts the location off. 4.x lets a bar escape a colon or a bar;
// 3.9 cuts at the first colon.
func (d *Decoder) splitQueue(t string) (loc, body string, ok bool) {
	colon := strings.IndexByte(t, ':')
	if colon < 0 {
		return "", "", false
	}
	if d.opt.Compat == Compat39 || strings.IndexByte(t[:colon], '|') < 0 {
		return t[:colon], t[colon+1:], true
	}
	for i := 0; i < len(t); i++ {
		if t[i] == ':' {
			return d.unbar(t[:i]), t[i+1:], true
		}
		if t[i] == '|' && i+1 < len(t) && (t[i+1] == ':' || t[i+1] == '|') {
			i++
		}
	}
	return "", "", false
}

func (d *Decoder) unbar(loc string) string {
	b := d.mem.alloc(len(loc))
	n := 0
	for i := 0; i < len(loc); i++ {
		if loc[i] == '|' && i+1 < len(loc) && (loc[i+1] == ':' || loc[i+1] == '|') {
			i++
		}
		b[n] = loc[i]
		n++
	}
	return text(d.mem.shrink(b, n))
}

// arrowName ends a remote agent's location.
const arrowName = "->" + syscollectorName

// ourLocation reports whether a stored location is Syscollector's. The last
// arrow counts, so that an agent's name may hold one.
func ourLocation(loc string) bool {
	return strings.HasSuffix(loc, arrowName) || loc == syscollectorName
}

// splitLocation reads name and address out of a remote agent's location as the
// original does: the name ends at the first closing parenthesis, the address
// starts two bytes after it. The address any is none.
func splitLocation(loc string) (name, ip string) {
	loc = strings.TrimSuffix(loc, arrowName)
	paren := strings.IndexByte(loc, ')')
	if paren < 0 || loc[0] != '(' {
		return "", ""
	}
	name = loc[1:paren]
	if paren+2 < len(loc) {
		ip = loc[paren+2:]
	}
	if ip == "any" {
		ip = ""
	}
	return name, ip
}

// archiveLine reads a line of archives.log, or its header alone.
func (d *Decoder) archiveLine(t string) (waiting bool, err error) {
	head, body, err := d.archiveHead(t)
	if err != nil {
		return false, err
	}
	if body = trimStart(body); body == "" {
		d.pending = append(d.pending[:0], head...)
		return true, nil
	}
	return false, d.bodyOf(body)
}

// archiveHead reads time and location; body is what follows them.
func (d *Decoder) archiveHead(t string) (head, body string, err error) {
	when, ok := parseArchiveTime(t, d.opt.Zone)
	if !ok {
		return "", "", fail(ReasonEnvelope, "no archives.log header: %q", t)
	}
	const width = len("2006 Jan 02 15:04:05 ")
	source, module, n := splitSource(t[width:])
	if module != syscollectorName {
		return "", "", fail(ReasonForeign, "location %q", t[width:width+n])
	}
	d.ev.Time = when
	head, body = t[:width+n], t[width+n:]
	if source[0] == '(' {
		d.ev.Location = t[width : width+n]
		d.ev.Agent.Name, d.ev.Agent.IP = splitLocation(d.ev.Location)
		if i := strings.LastIndex(source, ") "); i > 0 {
			d.longName = source[1:i]
		}
	} else {
		d.ev.Location = syscollectorName
		d.ev.Agent.ID, d.ev.Agent.Name = managerID, source
	}
	return head, body, nil
}

// splitSource cuts a location off the text of an archives.log line: "(name)
// address->module" or "host->module", up to a blank, a line's end or the
// message. n is its length.
func splitSource(t string) (source, module string, n int) {
	from := 0
	if strings.HasPrefix(t, "(") {
		for {
			i := strings.Index(t[from:], ") ")
			if i < 0 {
				break
			}
			from += i + 2
			if a, end := strings.Index(t[from:], "->"), wordEnd(t[from:]); a >= 0 && a < end {
				break
			}
		}
	}
	end := from + wordEnd(t[from:])
	arrow := strings.Index(t[from:end], "->")
	if arrow <= 0 {
		return "?", "", end
	}
	return t[:from+arrow], t[from+arrow+2 : end], end
}

func wordEnd(t string) int {
	if i := strings.IndexAny(t, " \t\r\n"); i >= 0 {
		return i
	}
	return len(t)
}

// isArchiveTime reports whether an archives.log header starts here.
func isArchiveTime(t string) bool {
	const shape = "0000 Aaa 00 00:00:00 "
	if len(t) < len(shape) {
		return false
	}
	for i := 0; i < len(shape); i++ {
		var ok bool
		c := t[i]
		switch shape[i] {
		case '0':
			ok = '0' <= c && c <= '9'
		case 'A':
			ok = 'A' <= c && c <= 'Z'
		case 'a':
			ok = 'a' <= c && c <= 'z'
		default:
			ok = c == shape[i]
		}
		if !ok {
			return false
		}
	}
	return true
}

// parseArchiveTime reads the time of an archives.log header, unix milliseconds.
func parseArchiveTime(t string, zone *time.Location) (int64, bool) {
	if !isArchiveTime(t) {
		return 0, false
	}
	month := strings.Index("JanFebMarAprMayJunJulAugSepOctNovDec", t[5:8])
	if month < 0 || month%3 != 0 {
		return 0, false
	}
	return clockTime(number(t[:4]), month/3+1, number(t[9:11]), number(t[12:14]), number(t[15:17]), number(t[18:20]), 0, zone)
}

// parseTimestamp reads the timestamp of an alert: 2024-03-20T08:00:06.482+0000,
// also with a colon in the zone, Z, and without the milliseconds.
func parseTimestamp(t string) (int64, bool) {
	const shape = "2006-01-02T15:04:05"
	if len(t) < len(shape) || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' {
		return 0, false
	}
	ms, rest := 0, t[len(shape):]
	if strings.HasPrefix(rest, ".") {
		n := digitsLength(rest[1:])
		ms = number((rest[1:1+n] + "000")[:3])
		rest = rest[1+n:]
	}
	offset := 0
	switch {
	case rest == "Z":
	case len(rest) >= 5 && (rest[0] == '+' || rest[0] == '-'):
		h, m := number(rest[1:3]), number(rest[len(rest)-2:])
		if h < 0 || m < 0 || len(rest) > 6 || len(rest) == 6 && rest[3] != ':' {
			return 0, false
		}
		if offset = (h*60 + m) * 60; rest[0] == '-' {
			offset = -offset
		}
	default:
		return 0, false
	}
	v, ok := clockTime(number(t[:4]), number(t[5:7]), number(t[8:10]), number(t[11:13]), number(t[14:16]), number(t[17:19]), ms, time.UTC)
	return v - int64(offset)*1000, ok
}

// number reads decimal digits, -1 if there is anything else.
func number(t string) int {
	v := 0
	for i := 0; i < len(t); i++ {
		c := t[i] - '0'
		if c > 9 {
			return -1
		}
		v = v*10 + int(c)
	}
	return v
}

func clockTime(year, month, day, hour, minute, second, ms int, zone *time.Location) (int64, bool) {
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || ms < 0 {
		return 0, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, zone).UnixMilli(), true
}
