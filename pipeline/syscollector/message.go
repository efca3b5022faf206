package syscollector

import (
	"math/bits"
	"strings"
)

// what a message is, by its type.
type what uint8

const (
	notOurs what = iota
	scanRow
	scanEnd
	deltaRow
	stateRow
	integrityCheck
	integrityClear
)

// messageKind is what a type says of its message. The table of rsync messages
// is said elsewhere.
type messageKind struct {
	what  what
	table Table
}

// messageOf reads a message type.
func messageOf(typ string) messageKind {
	if name, ok := strings.CutPrefix(typ, "dbsync_"); ok {
		for t := NoTable + 1; t < NumTables; t++ {
			if tableNames[t].wire == name {
				return messageKind{deltaRow, t}
			}
		}
		return messageKind{}
	}
	switch typ {
	case "":
		return messageKind{}
	case "state":
		return messageKind{what: stateRow}
	case "integrity_check_global", "integrity_check_left", "integrity_check_right":
		return messageKind{what: integrityCheck}
	case "integrity_clear":
		return messageKind{what: integrityClear}
	}
	name, end := strings.CutSuffix(typ, "_end")
	for t := NoTable + 1; t < NumTables; t++ {
		if tableNames[t].scan == name {
			if !end {
				return messageKind{scanRow, t}
			}
			if t != Hardware && t != OS {
				return messageKind{scanEnd, t}
			}
		}
	}
	return messageKind{}
}

// message reads the scanned object as a message and nothing else.
func (d *Decoder) message() error {
	if m := messageOf(d.str(topType)); m.what != notOurs {
		return d.read(m)
	}
	switch {
	case d.kind(topDataType) == kindString:
		return d.busMessage()
	case d.kind(topCollector) == kindString && d.kind(topModule) == kindString:
		return fail(ReasonFormat5, "collector %q: the format of 5.x agents is not read", d.str(topCollector))
	case d.kind(topType) == kindString:
		return fail(ReasonType, "type %q", d.str(topType))
	}
	return fail(ReasonType, "the message has no text member type")
}

func (d *Decoder) read(m messageKind) error {
	d.ev.Type = d.str(topType)
	switch m.what {
	case scanRow, scanEnd:
		return d.scanMessage(m)
	case deltaRow:
		return d.deltaMessage(m.table)
	}
	return d.syncMessage(m, d.str(topComponent), d.nodes[topData])
}

// scanMessage reads a message of a full scan. The original drops port, program,
// process and hotfix messages without a numeric ID (3.9.5: without any), and
// network messages without an interface.
func (d *Decoder) scanMessage(m messageKind) error {
	e := &d.ev
	e.Family, e.Table, e.Op = FamilyScan, m.table, OpReport
	if m.what == scanEnd {
		e.Op = OpScanEnd
	}
	e.ScanTime = d.str(topTimestamp)
	e.Visible = m.table != Hotfixes || d.opt.Compat != Compat39
	body := d.nodes[bodyMember(m.table)]
	hasBody := body != 0 && d.json.nodes[body].kind == kindObject
	needsID := true
	switch m.table {
	case Hardware, OS:
		needsID = false
	case Netiface:
		if !hasBody && m.what == scanRow {
			return fail(ReasonBody, "%s without iface", e.Type)
		}
		needsID = !hasBody
	}
	if id := d.node(topID); id != nil && id.kind == kindNumber {
		e.ScanID, _ = integer(id.text)
	} else if id != nil && d.opt.Compat == Compat39 {
		e.ScanID, _ = integerOf(cell{id.text, id.kind})
	} else if needsID {
		return fail(ReasonScanID, "%s without a numeric ID", e.Type)
	}

	v := &e.view
	if m.table == Hotfixes {
		if body != 0 {
			n := &d.json.nodes[body]
			v.cells[0] = cell{n.text, n.kind}
			v.set = 1
			d.typedRow(m)
			if d.kind(topTimestamp) != kindString {
				v.set = 0
			}
		}
		return nil
	}
	if !hasBody {
		return nil
	}
	members := d.columns(body, d.scan[m.table])
	for ip, at := range members.ip {
		d.ipObject(at, &v.ip[ip])
	}
	d.typedRow(m)
	if m.table == Netiface && m.what == scanRow {
		return d.networkRows()
	}
	return nil
}

// typedRow makes the typed row of a scan message; a scan's end reports none.
func (d *Decoder) typedRow(m messageKind) {
	if m.what == scanRow {
		d.addRow(m.table, d.ev.ScanTime, "")
	}
}

// bodyMember is the member that holds a scan message's row.
func bodyMember(t Table) int {
	switch t {
	case Hardware, OS:
		return topInventory
	case Hotfixes:
		return topHotfix
	case Packages:
		return topProgram
	case Processes:
		return topProcess
	case Ports:
		return topPort
	}
	return topIface
}

// deltaMessage reads a dbsync message.
func (d *Decoder) deltaMessage(t Table) error {
	e := &d.ev
	e.Family, e.Table = FamilyDelta, t
	if d.kind(topOperation) != kindString {
		return fail(ReasonOperation, "%s without a text operation", e.Type)
	}
	if d.kind(topData) != kindObject {
		return fail(ReasonBody, "%s without data", e.Type)
	}
	e.Operation = d.str(topOperation)
	e.Visible = d.opt.Compat != Compat39
	switch e.Operation {
	case "INSERTED":
		e.Op = OpInsert
	case "MODIFIED":
		e.Op = OpModify
	case "DELETED":
		e.Op = OpDelete
	}
	members := d.columns(d.nodes[topData], d.delta[t])
	e.ScanTime = members.scanTime
	d.addRow(t, members.scanTime, members.checksum)
	return nil
}

// syncMessage reads an rsync message: a row of state, an integrity check or a
// clear. Its table stands in component.
func (d *Decoder) syncMessage(m messageKind, component string, data int32) error {
	e := &d.ev
	e.Family, e.Visible = FamilySync, false
	if component == "" {
		return fail(ReasonType, "%s without a component", e.Type)
	}
	if len(component) <= len("syscollector_") || component[:len("syscollector")] != "syscollector" {
		return fail(ReasonComponent, "component %q", component)
	}
	t, ok := TableByWire(component)
	if !ok {
		return fail(ReasonType, "component %q is no table", component)
	}
	e.Table = t
	switch m.what {
	case integrityClear:
		e.Op = OpClear
		return nil
	case integrityCheck:
		e.Op = OpNone
		return nil
	}
	e.Op = OpState
	attributes := d.childAt(data, "attributes")
	if attributes == 0 || d.json.nodes[attributes].kind != kindObject {
		return fail(ReasonBody, "%s of %s without attributes", e.Type, component)
	}
	members := d.columns(attributes, d.delta[t])
	if e.ScanTime = members.scanTime; e.ScanTime == "" {
		e.ScanTime = d.childStr(data, "timestamp")
	}
	d.keyFromIndex(d.childStr(data, "index"))
	d.addRow(t, e.ScanTime, members.checksum)
	return nil
}

// keyFromIndex fills in the key column of a table that has one and is indexed
// by it, when the row itself lacks it.
func (d *Decoder) keyFromIndex(index string) {
	key := d.index.masks[d.ev.Table].Key
	if bits.OnesCount64(key) == 1 && d.ev.view.set&key == 0 && !blank(index) {
		d.ev.view.cells[bits.TrailingZeros64(key)] = cell{index, kindString}
		d.ev.view.set |= key
	}
}

// busMessage reads the form that 4.14's internal buses use for deltas and
// rsync messages.
func (d *Decoder) busMessage() error {
	info := d.nodes[topAgentInfo]
	a := &d.ev.Agent
	if id := d.child(info, "agent_id"); id != nil && (id.kind == kindString || id.kind == kindNumber) && id.text != "" {
		a.ID = id.text
	}
	if name := d.childStr(info, "agent_name"); name != "" {
		a.Name = name
	}
	if ip := d.childStr(info, "agent_ip"); ip != "" && ip != "any" {
		a.IP = ip
	}
	d.ev.Type = d.str(topDataType)
	m := messageOf(d.ev.Type)
	switch m.what {
	case deltaRow:
		return d.deltaMessage(m.table)
	case stateRow, integrityCheck, integrityClear:
		return d.syncMessage(m, d.childStr(d.nodes[topData], "attributes_type"), d.nodes[topData])
	}
	return fail(ReasonType, "data_type %q", d.ev.Type)
}

// rowMembers are the members of a row's object that are no columns.
type rowMembers struct {
	scanTime, checksum string
	ip                 [2]int32 // positions of an interface's IPv4 and IPv6 objects
}

// columns notes the columns of a row's object in the view; of several of one
// name the first counts.
func (d *Decoder) columns(object int32, keys *keyCursor) (m rowMembers) {
	v := &d.ev.view
	ns := d.json.nodes
	d.alias = d.alias[:0]
	set, at := uint64(0), 0
	other := uint64(0) // members that are no columns and have been met
	for i := object + 1; i < ns[object].next; i = ns[i].next {
		n := &ns[i]
		e := keys.find(n.key, &at)
		if e < MaxColumns {
			if set&(1<<e) == 0 {
				set |= 1 << e
				c := &v.cells[e] // field by field, see scanner.add
				c.text = n.text
				c.kind = n.kind
			}
			continue
		}
		if e == noEntry {
			continue
		}
		if e >= entryAlias {
			d.alias = append(d.alias, aliasCell{e - entryAlias, cell{n.text, n.kind}})
			continue
		}
		if other&(1<<e) != 0 {
			continue
		}
		other |= 1 << e
		switch {
		case e == entryIPv4:
			m.ip[0] = i
		case e == entryIPv6:
			m.ip[1] = i
		case n.kind == kindString && e == entryScanTime:
			m.scanTime = n.text
		case n.kind == kindString && e == entryChecksum:
			m.checksum = n.text
		}
	}
	v.set = set
	return m
}

// ipObject notes the values of an interface's IPv4 or IPv6 object.
func (d *Decoder) ipObject(at int32, p *ipView) {
	ns := d.json.nodes
	if at == 0 || ns[at].kind != kindObject {
		return
	}
	p.present = true
	pos := 0
	for i := at + 1; i < ns[at].next; i = ns[i].next {
		e := d.ip.find(ns[i].key, &pos)
		if e == noEntry || p.set&(1<<e) != 0 {
			continue
		}
		p.set |= 1 << e
		p.cells[e] = cell{ns[i].text, ns[i].kind}
	}
	if c := p.cells[ipAddress]; p.set&(1<<ipAddress) != 0 && c.kind == kindArray {
		p.length = arrayLen(c.text, &d.mem)
	}
}

// newRow appends an empty row.
func (d *Decoder) newRow(t Table, scanTime, checksum string) *Row {
	e := &d.ev
	if n := len(e.Rows); n < cap(e.Rows) {
		e.Rows = e.Rows[:n+1]
	} else {
		e.Rows = append(e.Rows, Row{})
	}
	r := &e.Rows[len(e.Rows)-1]
	r.Reset(t)
	r.ScanID, r.ScanTime, r.Checksum = e.ScanID, scanTime, checksum
	return r
}

// addRow makes the typed row of the columns noted. A message without a single
// value makes none.
func (d *Decoder) addRow(t Table, scanTime, checksum string) {
	v := &d.ev.view
	r := d.newRow(t, scanTime, checksum)
	columns := &d.index.columns[t]
	for set := v.set; set != 0; set &= set - 1 {
		n := bits.TrailingZeros64(set)
		r.take(columns[n], v.cells[n], &d.mem)
	}
	for _, a := range d.alias {
		if !r.Has(a.column) {
			r.take(columns[a.column], a.cell, &d.mem)
		}
	}
	d.alias = d.alias[:0]
	if r.Present == 0 {
		d.ev.Rows = d.ev.Rows[:len(d.ev.Rows)-1]
	}
}
