package syscollector

// Item reads one item of an answer of the 4.x inventory API (a member of
// affected_items): the table's row and the agent that agent_id names, "" if
// it is left out. Members that are no columns are passed over. The row is valid
// until the next Item or Decode, its strings until Reset.
func (d *Decoder) Item(t Table, object []byte) (agent string, row *Row, err error) {
	if len(object) > d.opt.MaxBytes {
		return "", nil, fail(ReasonTooLarge, "%d bytes, at most %d are read", len(object), d.opt.MaxBytes)
	}
	start := d.mem.mark()
	d.clear(Meta{})
	if err := d.scanObject(trimStart(d.mem.copy(object))); err != nil {
		d.mem.release(start)
		return "", nil, err
	}
	it := apiItem{d: d, row: d.newRow(t, "", "")}
	it.members(0, "")
	return it.agent, it.row, nil
}

// apiItem is an item while it is read.
type apiItem struct {
	d     *Decoder
	row   *Row
	agent string
}

// members takes an object's members; nested ones have dotted names, which the
// API also writes flat.
func (it *apiItem) members(object int32, prefix string) {
	ns := it.d.json.nodes
	for i := object + 1; i < ns[object].next; i = ns[i].next {
		n := &ns[i]
		name := n.key
		if prefix != "" {
			name = it.d.mem.join(prefix, ".", n.key)
		}
		if n.kind == kindObject {
			it.members(i, name)
			continue
		}
		c := cell{n.text, n.kind}
		if n.kind == kindString {
			c.text = it.d.mem.wireDate(n.text)
		}
		switch name {
		case "agent_id":
			it.agent = c.text
		case "scan.id", "scan_id":
			it.row.ScanID, _ = integerOf(c)
		case "scan.time", "scan_time":
			it.row.ScanTime = c.text
		case "checksum":
			it.row.Checksum = c.text
		default:
			if f := it.d.index.api[it.row.Table][name]; f != nil {
				it.row.take(f, c, &it.d.mem)
			}
		}
	}
}

// wireDate turns a date of the API, 2024-03-20T08:00:01+00:00, back into what
// the agent sent, 2024/03/20 08:00:01; any other text stays.
func (a *arena) wireDate(t string) string {
	const shape = "2006-01-02T15:04:05"
	if len(t) < len(shape) || t[len(shape):] != "+00:00" && t[len(shape):] != "Z" {
		return t
	}
	if _, ok := parseTimestamp(t); !ok {
		return t
	}
	return a.join(t[:4], "/", t[5:7], "/", t[8:10], " ", t[11:len(shape)])
}
