package syscollector

import "iter"

// ViewID numbers the names of the string view, 0 = no such name.
type ViewID uint16

// The fields that every message has.
const (
	viewNone ViewID = iota
	viewType
	viewOperation
	viewColumns // the first of the columns
)

// viewEntry is one name of the string view.
type viewEntry struct {
	name  string
	field *Field
	scan  bool // scan messages have it
	delta bool // dbsync messages have it
	ip    int8 // 1, 2: of the interface's IPv4 or IPv6 object; 0: a column
	slot  uint8
}

// viewIndex numbers the names and gives the order of a table's fields.
type viewIndex struct {
	entries []viewEntry
	ids     map[string]ViewID // by folded name
	scan    [NumTables][]ViewID
	delta   [NumTables][]ViewID
}

func buildViews() viewIndex {
	x := viewIndex{
		entries: []viewEntry{viewType: {name: "type"}, viewOperation: {name: "operation_type"}},
		ids:     map[string]ViewID{},
	}
	add := func(e viewEntry) ViewID {
		x.entries = append(x.entries, e)
		return ViewID(len(x.entries) - 1)
	}
	byName := map[string]int{} // position in the table's scan order
	for t := range fields {
		for i := range fields[t] {
			f := &fields[t][i]
			e := viewEntry{name: f.Name, field: f, slot: f.Number}
			e.scan = f.Scan != "" && tableNames[t].scan != ""
			e.delta = f.Column != "" && f.DeltaName == ""
			id := add(e)
			if e.delta {
				x.delta[t] = append(x.delta[t], id)
			}
			if f.DeltaName != "" {
				x.delta[t] = append(x.delta[t], add(viewEntry{name: f.DeltaName, field: f, slot: f.Number, delta: true}))
			}
			if e.scan && f.ScanAfter == "" {
				byName[f.Name] = len(x.scan[t])
				x.scan[t] = append(x.scan[t], id)
			}
		}
		for id := viewColumns; int(id) < len(x.entries); id++ {
			if f := x.entries[id].field; x.entries[id].scan && f.Table == Table(t) && f.ScanAfter != "" {
				at := byName[f.ScanAfter] + 1
				x.scan[t] = append(x.scan[t][:at], append([]ViewID{id}, x.scan[t][at:]...)...)
			}
		}
	}
	for ip, prefix := range [...]string{"", "netinfo.iface.ipv4.", "netinfo.iface.ipv6."} {
		if ip == 0 {
			continue
		}
		for slot, f := range ipFields() {
			id := add(viewEntry{name: prefix + f.Column, field: f, scan: true, ip: int8(ip), slot: uint8(slot)})
			x.scan[Netiface] = append(x.scan[Netiface], id)
		}
	}
	for id := len(x.entries) - 1; id > 0; id-- { // the first of a name stays
		x.ids[fold(x.entries[id].name)] = ViewID(id)
	}
	return x
}

func fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		b[i] = foldByte(c)
	}
	return string(b)
}

// LookupView returns the id of a name in the string view; letters fold (ASCII).
func LookupView(name string) ViewID { return lookups().views.ids[fold(name)] }

// ViewName returns the name of that id as written in the field table.
func ViewName(id ViewID) string {
	es := lookups().views.entries
	if int(id) >= len(es) {
		return ""
	}
	return es[id].name
}

// ViewTable returns the table whose messages can have the field, NoTable for
// those of every message.
func ViewTable(id ViewID) Table {
	es := lookups().views.entries
	switch {
	case id < viewColumns || int(id) >= len(es):
		return NoTable
	case es[id].ip != 0:
		return Netiface
	}
	return es[id].field.Table
}

// ipSlots is the number of values of an interface's IPv4 or IPv6 object.
const ipSlots = 6

// view is a message's columns as they came, and their texts once someone has
// asked for them.
type view struct {
	index  *viewIndex
	mem    *arena
	compat Compat
	set    uint64 // columns that came
	shown  uint64 // columns whose text has been made
	hidden uint64 // columns that the original does not create
	cells  [MaxColumns]cell
	ip     [2]ipView
}

// ipView is the part of a view that an interface's IPv4 or IPv6 object fills.
type ipView struct {
	present            bool
	length             int // elements of the address array, -1 if there is none
	set, shown, hidden uint8
	cells              [ipSlots]cell
}

func (v *view) clear() {
	v.set, v.shown, v.hidden = 0, 0, 0
	for i := range v.ip {
		p := &v.ip[i]
		p.present, p.length, p.set, p.shown, p.hidden = false, -1, 0, 0, 0
	}
}

// View returns the event's first field of that id as the original's rules see
// it, formatted on first use; ok is false when the field is absent. An empty
// present field is "", true.
func (e *Event) View(id ViewID) (value string, ok bool) {
	if e.Family == FamilySync || id == viewNone {
		return "", false
	}
	switch id {
	case viewType:
		return e.Type, true
	case viewOperation:
		return e.Operation, e.Family == FamilyDelta
	}
	v := &e.view
	if v.index == nil || int(id) >= len(v.index.entries) {
		return "", false
	}
	en := &v.index.entries[id]
	switch {
	case en.ip != 0:
		if e.Family != FamilyScan || e.Table != Netiface {
			return "", false
		}
		return v.ipText(&v.ip[en.ip-1], en)
	case en.field.Table != e.Table:
		return "", false
	case e.Family == FamilyDelta:
		return v.deltaText(en)
	}
	return v.scanText(en)
}

// Fields yields the whole string view in decode order, names as written in the
// field table; names may repeat.
func (e *Event) Fields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if e.Family == FamilySync || e.view.index == nil || !yield("type", e.Type) {
			return
		}
		ids := e.view.index.scan[e.Table]
		if e.Family == FamilyDelta {
			ids = e.view.index.delta[e.Table]
		}
		for _, id := range ids {
			if t, ok := e.View(id); ok && !yield(e.view.index.entries[id].name, t) {
				return
			}
		}
		if e.Family == FamilyDelta {
			yield("operation_type", e.Operation)
		}
	}
}

// deltaText gives a column of a dbsync message: always there, empty when its
// value is no text and no number.
func (v *view) deltaText(en *viewEntry) (string, bool) {
	if !en.delta {
		return "", false
	}
	bit := uint64(1) << en.slot
	c := &v.cells[en.slot]
	if v.set&bit == 0 {
		return "", true
	}
	if v.shown&bit == 0 {
		v.shown |= bit
		switch {
		case c.kind == kindNumber && en.field.form == formProto:
			c.text = protoNumber(c.text)
		case c.kind == kindNumber:
			c.text = v.mem.deltaText(c.text)
		case c.kind != kindString:
			c.text = ""
		}
	}
	return c.text, true
}

func (v *view) scanText(en *viewEntry) (string, bool) {
	bit := uint64(1) << en.slot
	if !en.scan || v.set&bit == 0 || v.compat == Compat39 && en.field.Scan4 {
		return "", false
	}
	c := &v.cells[en.slot]
	if v.shown&bit == 0 {
		v.shown |= bit
		t, ok := v.format(en.field, *c)
		if !ok {
			v.hidden |= bit
		}
		c.text = t
	}
	return c.text, v.hidden&bit == 0
}

// format prints a scan message's value, or says that the original creates no
// field for it.
func (v *view) format(f *Field, c cell) (string, bool) {
	old := v.compat == Compat39
	switch {
	case f.form == formList:
		if c.kind == kindArray || old {
			return v.mem.jsonText(c), true
		}
		return "", false
	case f.form == formReal || f.Type == Real:
		if c.kind == kindNumber {
			return v.mem.realText(double(c.text)), true
		}
		return "0.000000", old
	case f.Type == Integer:
		switch c.kind {
		case kindNumber:
			return v.mem.intText(c.text), true
		case kindTrue:
			return "1", old || f.form == formPort
		}
		return "0", old || f.form == formPort
	}
	return c.text, c.kind == kindString
}

// ipText gives a value of an interface's IPv4 or IPv6 object. The address array
// leads: without it there is no netmask and no broadcast, and they are read up
// to its length.
func (v *view) ipText(p *ipView, en *viewEntry) (string, bool) {
	bit := uint8(1) << en.slot
	if p.set&bit == 0 {
		return "", false
	}
	c := &p.cells[en.slot]
	if p.shown&bit == 0 {
		p.shown |= bit
		var t string
		var ok bool
		switch {
		case en.field.form != formList:
			t, ok = v.format(en.field, *c)
		case c.kind == kindArray && p.length >= 0:
			t, ok = v.mem.addressList(c.text, p.length)
		}
		if !ok {
			p.hidden |= bit
		}
		c.text = t
	}
	return c.text, p.hidden&bit == 0
}
